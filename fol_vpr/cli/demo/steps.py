"""The steps of the demo, each a command that anybody could type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fol_vpr.cli.common.processes import Runner
from fol_vpr.cli.demo.inputs import Scene, is_folder
from fol_vpr.config import DemoConfig, EvaluationConfig, NetworkConfig

PLACES = '/localizer/places'
START = 180.0  # seconds that the node may take to load weights and map


@dataclass(frozen=True)
class Played:
    """A bag of queries, the topics to be listened to, and where the camera sits."""

    bag: Path
    topic: str
    compressed: bool
    camera_info_topic: str = ''
    camera_mount: tuple[float, ...] = ()


@dataclass(frozen=True)
class Steps:
    """What is done, one after the other; each raises FolVprError where it fails.

    Attributes:
        output: folder where everything goes.
        criteria: what counts as right.
    """

    runner: Runner
    scene: Scene
    output: Path
    config: DemoConfig
    network: NetworkConfig
    criteria: EvaluationConfig

    @property
    def map(self) -> Path:
        """Where the map goes."""
        return self.output / 'map.folmap'

    def queries_as_bag(self) -> Played:
        """The queries are played from a bag; a folder becomes one."""
        from fol_vpr.sources import Bag, choose_image_topic

        bag, wanted = self.scene.queries, self.scene.image_topic
        if is_folder(bag):
            bag, wanted = self.output / 'queries', None
            self.runner.run(
                'bag', 'from-images', self.scene.queries, '--output', bag,
                '--rate', self.config.rate,
            )  # fmt: skip
        else:
            print(f'{bag} is one already.')
        topic = choose_image_topic(Bag(bag), wanted)
        played = Played(bag, topic.name, topic.msgtype.endswith('CompressedImage'))
        return played if bag != self.scene.queries else self._with_camera(played)

    def _with_camera(self, played: Played) -> Played:
        """With the calibration that the bag has, which the node hears, and the camera's mount."""
        from fol_vpr.sources import BagImages

        source = BagImages(
            played.bag,
            image_topic=played.topic,
            pose_topic=self.scene.pose_topic,
            camera=replace(self.scene.camera, camera=''),
        )
        frame = next((frame for _, frame in source.frames(on_bad=lambda *_: None)), None)
        mount: tuple[float, ...] = ()
        if frame is not None and frame.camera is not None and frame.camera.mount is not None:
            pose = frame.camera.mount
            mount = (*pose.position.tolist(), *pose.orientation.tolist())
        return replace(played, camera_info_topic=source.camera_info_topic, camera_mount=mount)

    def build_map(self) -> None:
        """The map, from the first pass."""
        scene = self.scene
        source: list[object]
        if is_folder(scene.reference):
            source = ['--images', scene.reference]
        else:
            source = ['--bag', scene.reference]
            source += _given('--image-topic', scene.image_topic)
            source += _given('--pose-topic', scene.pose_topic)
            source += _given('--camera-info-topic', scene.camera.camera_info_topic or None)
            source += _given('--base-frame', scene.camera.base_frame or None)
        source += _given('--camera', scene.camera.camera or None)
        if scene.camera.camera_mount:
            source += ['--camera-mount', *scene.camera.camera_mount]
        self.runner.run(
            'map', 'build', *source, '--output', self.map, '--weights', self.network.weights,
            *_given('--input-size', self.network.input_size or None), *self._device(),
        )  # fmt: skip

    def calibrate(self, further: Path) -> None:
        """The map learns from a bag of a further pass how probable its answers are."""
        self.runner.run(
            'calibrate', '--map', self.map, '--bag', further,
            *_given('--image-topic', self.scene.image_topic),
            *_given('--pose-topic', self.scene.pose_topic),
            *_given('--odom-topic', self.scene.odom_topic),
            '--positive-radius', self.criteria.positive_radius,
            '--positive-angle', self.criteria.positive_angle,
            *self._device(), '--picture', self.output / 'reliability.png',
        )  # fmt: skip

    def play(self, played: Played, localizer: Path) -> None:
        """The node answers the queries, and what it says is recorded."""
        transport, input_name = 'raw', 'image'
        if played.compressed:
            transport, input_name = 'compressed', 'image/compressed'
        values: dict[str, object] = {
            'map': self.map,
            'replay': 'true',
            'autostart': 'true',
            'image_transport': transport,
            'network.device': self.network.device,
            'network.precision': self.network.precision,
        }
        if played.camera_mount:
            values['camera_mount'] = list(played.camera_mount)
        parameters = [word for key, value in values.items() for word in ('-p', f'{key}:={value}')]
        remapped = {
            input_name: played.topic,
            'camera_info': played.camera_info_topic,
            'odom': self.scene.odom_topic,
        }
        heard = {name: topic for name, topic in remapped.items() if topic}
        node = ['--ros-args', *parameters]
        node += [word for pair in heard.items() for word in ('-r', '{}:={}'.format(*pair))]
        record = ['bag', 'record', PLACES, '--output', self._answers, '--wait-for', START]
        with (
            self.runner.program_beside('localizer', localizer, *node) as localizing,
            self.runner.beside('recorder', *record) as recording,
        ):
            recording.wait_until('recording /', START, [localizing])
            self.runner.run(
                'bag', 'play', played.bag, '--topics', *heard.values(), '--rate', '0',
                '--answers', PLACES, '--wait-for', START,
            )  # fmt: skip

    def evaluate(self, played: Played) -> None:
        """What was answered against what is true, as figures and as a picture."""
        options: list[object] = ['--image-topic', played.topic]
        if self.scene.ground_truth is not None:
            options += ['--ground-truth', self.scene.ground_truth]
        elif self._has_comparable_poses(played):
            options += _given('--pose-topic', self.scene.pose_topic)
            options += ['--positive-radius', self.criteria.positive_radius]
            options += ['--positive-angle', self.criteria.positive_angle]
        else:
            options += ['--without-ground-truth']
        self.runner.run(
            'evaluate', '--map', self.map, '--queries', played.bag, *options,
            '--recording', self._answers, '--json', self.output / 'report.json',
            '--per-query', self.output / 'queries.csv', '--picture', self.output / 'answers.png',
        )  # fmt: skip

    @property
    def _answers(self) -> Path:
        return self.output / 'answers'

    def _device(self) -> list[str]:
        device, precision = self.network.device, self.network.precision
        return [*_given('--device', device), *_given('--precision', precision)]

    def _has_comparable_poses(self, played: Played) -> bool:
        """Whether the poses of the queries say where they are in the map."""
        from fol_vpr.sources import open_source

        scene = self.scene
        if scene.pose_topic is None or scene.is_own_pass:
            return False
        source = open_source(played.bag, image_topic=played.topic, pose_topic=scene.pose_topic)
        return not source.own_origin


def _given(option: str, value: object) -> list[str]:
    """An option and its value, nothing where it is left to its default."""
    return [] if value in (None, 'auto') else [option, str(value)]
