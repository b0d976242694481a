"""The steps of the demo, each a command of this package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fol_vpr.cli.common.output import remark
from fol_vpr.cli.common.processes import Runner
from fol_vpr.cli.demo.inputs import DemoInputs, is_folder
from fol_vpr.config import DemoConfig, EvaluationConfig, NetworkConfig

PLACES = '/localizer/places'
START_TIMEOUT = 180.0  # seconds that the node may take to load weights and map


@dataclass(frozen=True)
class QueryBag:
    """A bag of queries.

    Attributes:
        bag: its folder.
        topic: of the images.
        compressed: whether the images are CompressedImage messages.
        camera_info_topic: empty where the bag has none.
        camera_mount: pose of the camera on the robot, x y z qx qy qz qw; empty where not known.
    """

    bag: Path
    topic: str
    compressed: bool
    camera_info_topic: str = ''
    camera_mount: tuple[float, ...] = ()


@dataclass(frozen=True)
class DemoSteps:
    """The steps of the demo. Each raises FolVprError if it fails.

    Attributes:
        runner: runs the commands.
        inputs: images of the demo.
        output: folder for all results.
        config: rate of the stamps.
        network: weights and device.
        criteria: radius and angle of a positive.
        scale: of the surroundings; empty where it was not given.
    """

    runner: Runner
    inputs: DemoInputs
    output: Path
    config: DemoConfig
    network: NetworkConfig
    criteria: EvaluationConfig
    scale: str = ''

    @property
    def map(self) -> Path:
        """Path of the map."""
        return self.output / 'map.folmap'

    def queries_as_bag(self) -> QueryBag:
        """The bag of the queries, written from a folder where they are none yet."""
        from fol_vpr.sources import Bag, choose_image_topic

        bag, wanted = self.inputs.queries, self.inputs.image_topic
        if is_folder(bag):
            bag, wanted = self.output / 'queries', None
            self.runner.run(
                'bag', 'from-images', self.inputs.queries, '--output', bag,
                '--rate', self.config.rate,
            )  # fmt: skip
        else:
            remark(f'{bag} is a bag already.')
        topic = choose_image_topic(Bag(bag), wanted)
        played = QueryBag(bag, topic.name, topic.msgtype.endswith('CompressedImage'))
        return played if bag != self.inputs.queries else self._with_camera(played)

    def _with_camera(self, played: QueryBag) -> QueryBag:
        """With the camera_info topic of the bag, and the mount of the camera by its tf."""
        from fol_vpr.sources import BagImages

        source = BagImages(
            played.bag,
            image_topic=played.topic,
            pose_topic=self.inputs.pose_topic,
            camera=replace(self.inputs.camera, camera='', camera_name=''),
        )
        frame = next((frame for _, frame in source.frames(on_bad=lambda *_: None)), None)
        mount: tuple[float, ...] = ()
        if frame is not None and frame.camera is not None and frame.camera.mount is not None:
            pose = frame.camera.mount
            mount = (*pose.position.tolist(), *pose.orientation.tolist())
        return replace(played, camera_info_topic=source.camera_info_topic, camera_mount=mount)

    def build_map(self) -> None:
        """Build the map from the first pass."""
        inputs = self.inputs
        source: list[object]
        if is_folder(inputs.reference):
            source = ['--images', inputs.reference]
        else:
            source = ['--bag', inputs.reference]
            source += _given('--image-topic', inputs.image_topic)
            source += _given('--pose-topic', inputs.pose_topic)
            source += _given('--camera-info-topic', inputs.camera.camera_info_topic or None)
            source += _given('--base-frame', inputs.camera.base_frame or None)
        source += _given('--camera', inputs.camera.camera or None)
        source += _given('--camera-name', inputs.camera.camera_name or None)
        if inputs.camera.camera_mount:
            source += ['--camera-mount', *inputs.camera.camera_mount]
        self.runner.run(
            'map', 'build', *source, '--output', self.map, '--weights', self.network.weights,
            *_given('--input-size', self.network.input_size or None), *self._device(),
            *_given('--scale', self.scale or None),
        )  # fmt: skip

    def calibrate(self, further: Path) -> None:
        """Calibrate the map with the bag of a further pass."""
        self.runner.run(
            'calibrate', '--map', self.map, '--bag', further,
            *_given('--image-topic', self.inputs.image_topic),
            *_given('--pose-topic', self.inputs.pose_topic),
            *_given('--odom-topic', self.inputs.odom_topic),
            '--positive-radius', self.criteria.positive_radius,
            '--positive-angle', self.criteria.positive_angle,
            *self._device(), '--picture', self.output / 'reliability.png',
        )  # fmt: skip

    def play(self, played: QueryBag, localizer: Path) -> None:
        """Play the queries to the node, and record its answers."""
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
            'odom': self.inputs.odom_topic,
        }
        topics = {name: topic for name, topic in remapped.items() if topic}
        node = ['--ros-args', *parameters]
        node += [word for pair in topics.items() for word in ('-r', '{}:={}'.format(*pair))]
        record = ['bag', 'record', PLACES, '--output', self._answers, '--wait-for', START_TIMEOUT]
        with (
            self.runner.background_program('localizer', localizer, *node) as node_process,
            self.runner.background('recorder', *record) as recorder,
        ):
            recorder.wait_until('recording /', START_TIMEOUT, [node_process])
            self.runner.run(
                'bag', 'play', played.bag, '--topics', *topics.values(), '--rate', '0',
                '--answers', PLACES, '--wait-for', START_TIMEOUT,
            )  # fmt: skip

    def evaluate(self, played: QueryBag) -> None:
        """Compare the answers with the ground truth: figures and a picture."""
        options: list[object] = ['--image-topic', played.topic]
        if self.inputs.ground_truth is not None:
            options += ['--ground-truth', self.inputs.ground_truth]
        elif self._has_comparable_poses(played):
            options += _given('--pose-topic', self.inputs.pose_topic)
            options += ['--positive-radius', self.criteria.positive_radius]
            options += ['--positive-angle', self.criteria.positive_angle]
        else:
            options += ['--without-ground-truth']
        self.runner.run(
            'evaluate', '--map', self.map, '--queries', played.bag, *options,
            '--recording', self._answers, '--json', self.output / 'report.json',
            '--per-query', self.output / 'queries.csv', '--picture', self.output / 'answers.png',
            '--report', self.output / 'report.html',
        )  # fmt: skip

    @property
    def _answers(self) -> Path:
        return self.output / 'answers'

    def _device(self) -> list[str]:
        device, precision = self.network.device, self.network.precision
        return [*_given('--device', device), *_given('--precision', precision)]

    def _has_comparable_poses(self, played: QueryBag) -> bool:
        """Whether the poses of the queries are in the frame of the map."""
        from fol_vpr.sources import open_source

        inputs = self.inputs
        if inputs.pose_topic is None or inputs.is_own_pass:
            return False
        source = open_source(played.bag, image_topic=played.topic, pose_topic=inputs.pose_topic)
        return not source.own_origin


def _given(option: str, value: object) -> list[str]:
    """An option and its value; nothing for None and `auto`, the defaults."""
    return [] if value in (None, 'auto') else [option, str(value)]
