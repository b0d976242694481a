"""Every setting and its default, one frozen dataclass for each part.

This is the only place of default values: the parameters of the node, the command line and the
documentation take name, default, range and description from here. Users read each description by
itself, in `--help` and in `ros2 param describe`: it names the quantity, its unit and the effect.
"""

from fol_vpr.config.camera import CameraConfig, mount_pose
from fol_vpr.config.declaration import Checked, check_setting, setting
from fol_vpr.config.loops import LoopsConfig
from fol_vpr.config.map_settings import (
    CALIBRATED,
    OF_THE_MAP,
    declaration,
    given_settings,
    setting_of,
    settings_in_use,
    settings_of,
)
from fol_vpr.config.maps import DriveMappingConfig, MappingConfig, PruningConfig
from fol_vpr.config.named import with_values
from fol_vpr.config.node import NodeConfig
from fol_vpr.config.recognition import (
    NetworkConfig,
    RecognizerConfig,
    RetrievalConfig,
    StorageConfig,
    VerificationConfig,
)
from fol_vpr.config.scale import DEFAULT_SCALE, SCALES, Scale, probable_scale, scaled
from fol_vpr.config.tools import (
    BagWriterConfig,
    ComparisonConfig,
    DemoConfig,
    EchoConfig,
    EvaluationConfig,
    PlayerConfig,
    RecorderConfig,
    WatchConfig,
)

__all__ = [
    'CALIBRATED',
    'DEFAULT_SCALE',
    'OF_THE_MAP',
    'SCALES',
    'BagWriterConfig',
    'CameraConfig',
    'Checked',
    'ComparisonConfig',
    'DemoConfig',
    'DriveMappingConfig',
    'EchoConfig',
    'EvaluationConfig',
    'LoopsConfig',
    'MappingConfig',
    'NetworkConfig',
    'NodeConfig',
    'PlayerConfig',
    'PruningConfig',
    'RecognizerConfig',
    'RecorderConfig',
    'RetrievalConfig',
    'Scale',
    'StorageConfig',
    'VerificationConfig',
    'WatchConfig',
    'check_setting',
    'declaration',
    'given_settings',
    'mount_pose',
    'probable_scale',
    'scaled',
    'setting',
    'setting_of',
    'settings_in_use',
    'settings_of',
    'with_values',
]
