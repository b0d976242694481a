"""The running drive as a map: which images are kept, where they are found, and what survives."""

import os
import resource
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.small_maps import GLOBAL_DIM, LOCAL_DIM, features, unit

from fol_vpr.config import LoopsConfig
from fol_vpr.database import FEEDBACK, MapHeader, MapReader, check_map
from fol_vpr.datatypes import Camera, Features, Frame, PlaceHypothesis, Pose, Verification
from fol_vpr.errors import InputError, MapError, StorageError
from fol_vpr.loop_closure import DistanceTracker, SessionRecorder

SECOND = 1_000_000_000
HEADER = MapHeader(
    '', 'model-1', 'fixed-322-imagenet', 'weights', 'float16', GLOBAL_DIM, LOCAL_DIM, 'odom'
)  # fmt: skip
CONFIG = LoopsConfig(enabled=True, codec='float16', exclude_distance=5.0, exclude_time=5.0)
IMAGE = np.full((54, 96, 3), 90, np.uint8)


class Drive:
    """A session that is told of images, one a second."""

    def __init__(self, folder: Path | None = None, **changes):
        given = '' if folder is None else str(folder / 's.folmap')
        self.config = replace(CONFIG, session_file=given, **changes)
        self.tracker = DistanceTracker(self.config.speed)
        self.session = SessionRecorder(
            self.config, replace(HEADER, codec=self.config.codec), 'drive', self.tracker
        )
        self.images = 0

    def see(self, content: int | Features, odometry: Pose | None = None, second=None, shown=None):
        stamp = (self.images if second is None else second) * SECOND
        self.images += 1
        self.tracker.update(int(stamp), odometry)
        seen = features(content) if isinstance(content, int) else content
        frame = Frame(IMAGE, int(stamp), 'camera', f'view{self.images}', odometry=odometry)
        return self.session.add_if_keyframe(frame, seen, shown)

    def found(self, content: int, k: int = 3) -> list[int]:
        return [c.index for c in self.session.search(features(content), k)]


def at(x: float, degrees: float = 0.0) -> Pose:
    half = np.radians(degrees) / 2
    return Pose(np.array([x, 0.0, 0.0]), np.array([0.0, 0, np.sin(half), np.cos(half)]))


def mixed(content: int, other: int, similarity: float) -> Features:
    """Features whose global descriptor has a similarity to those of `content`."""
    first = features(content).global_descriptor
    second = features(other).global_descriptor
    second = unit(second - first * (first @ second))
    descriptor = unit(similarity * first + np.sqrt(1 - similarity**2) * second)
    return replace(features(other), global_descriptor=descriptor)


def test_keyframes_come_by_distance_and_by_turn():
    drive = Drive()
    poses = [at(0), at(0.5), at(1.1), at(1.2), at(1.2, 10), at(1.2, 20), at(1.2, 20)]
    kept = [drive.see(i, pose) is not None for i, pose in enumerate(poses)]
    assert kept == [True, False, True, False, False, True, False]
    assert drive.session.keyframes == 3
    drive.session.close()


def test_without_odometry_they_come_by_time_and_by_change_of_view():
    drive = Drive(keyframe_interval=2.0, keyframe_similarity=0.6)
    assert drive.see(1, second=0) is not None
    assert drive.see(mixed(1, 2, 0.7), second=1) is None
    assert drive.see(mixed(1, 2, 0.5), second=1.1) is not None, 'another view is not waited for'
    assert drive.see(1, second=3.2) is not None
    assert drive.see(mixed(1, 2, 0.9), second=9) is None, 'a robot that stands sees nothing new'
    assert drive.see(mixed(1, 2, 0.7), second=10) is not None
    drive.session.close()


def test_recent_keyframes_are_left_out_by_the_path_and_not_by_time():
    drive = Drive()
    for i in range(12):
        drive.see(i, at(float(i)))
    assert drive.found(2)[0] == 2
    assert drive.found(6)[0] == 6, '5 m back along the path'
    assert 7 not in drive.found(7, k=12)
    # Standing for an hour makes nothing old.
    drive.see(50, at(11.0), second=3600)
    assert 7 not in drive.found(7, k=12)
    assert len(drive.found(0, k=12)) == 7
    # In a gap of the odometry the last five of thirteen keyframes are recent.
    drive.see(51, second=3608)
    assert sorted(drive.found(0, k=20)) == list(range(8))
    drive.session.close()
    # What a robot sees that stands does not become old by that.
    standing = Drive(exclude_time=1.0, exclude_keyframes=0, speed=0.0)
    for i in range(6):
        standing.see(i, at(2.0 * i))
    standing.see(50, second=3600)
    assert sorted(standing.found(0, k=20)) == [0, 1, 2]
    standing.session.close()


def test_without_odometry_they_are_left_out_by_time_and_by_number():
    drive = Drive(exclude_time=3.0, exclude_keyframes=0, keyframe_similarity=1.0)
    for i in range(10):
        drive.see(i)
    assert sorted(drive.found(0, k=20)) == list(range(7))
    drive.session.close()
    numbered = Drive(exclude_time=0.0, exclude_keyframes=8, keyframe_similarity=1.0)
    for i in range(10):
        numbered.see(i)
    assert sorted(numbered.found(0, k=20)) == [0, 1]
    numbered.session.close()


def shows(drive: Drive, number: int, similarity: float, **changes) -> PlaceHypothesis:
    """That an image shows a keyframe for certain."""
    certain = {'verification': Verification.GEOMETRY, **changes}
    return PlaceHypothesis(drive.session.place(number), 0, similarity, **certain)


def out_and_back(drive: Drive) -> Features:
    """Keyframes at 0, 2, 4 and 6 m and back at 4; the image to come, similar to that by 0.7."""
    for i in range(4):
        assert drive.see(i, at(2.0 * i)) is not None
    assert drive.see(50, at(4.0)) is not None
    return mixed(50, 51, 0.7)


def test_what_shows_an_older_keyframe_as_nearly_as_they_follow_each_other_is_spared():
    drive = Drive()
    now = out_and_back(drive)
    assert drive.see(now, at(2.0), shown=shows(drive, 1, 0.71)) is None
    assert (drive.session.keyframes, drive.session.due_count) == (5, 6)
    # It was due all the same, and what follows is compared with it.
    assert drive.see(now, at(1.5)) is None
    assert drive.session.due_count == 6
    assert drive.see(now, at(0.0), shown=shows(drive, 0, 0.99)) is not None
    drive.session.close()


@pytest.mark.parametrize(
    ('reason', 'x', 'similarity', 'changes'),
    [
        ('it is less alike', 2.0, 0.69, {}),
        ('it is not verified by geometry', 2.0, 0.71, {'verification': Verification.SEQUENCE}),
        # 10.6 m of driving: 1 m, and three times the root of 0.106 m² for the way and
        # 0.121 m² for the heading, make 2.43 m.
        ('the odometry has it 2.6 m away', -0.6, 0.71, {}),
    ],
)
def test_other_images_that_are_due_are_kept(reason, x, similarity, changes):
    drive = Drive()
    now = out_and_back(drive)
    shown = shows(drive, 1, similarity, **changes)
    assert drive.see(now, at(x), shown=shown) is not None, reason
    drive.session.close()


def test_what_the_odometry_allows_is_spared():
    drive = Drive()
    now = out_and_back(drive)
    assert drive.see(now, at(-0.3), shown=shows(drive, 1, 0.71)) is None, '2.3 m of 2.38 m'
    drive.session.close()


def test_without_odometry_or_the_setting_or_something_shown_images_are_kept():
    drive = Drive(keyframe_similarity=0.9)
    now = out_and_back(drive)
    assert drive.see(now, None, shown=shows(drive, 1, 0.71)) is not None
    drive.session.close()
    drive = Drive(skip_revisits=False)
    now = out_and_back(drive)
    assert drive.see(now, at(2.0), shown=shows(drive, 1, 0.71)) is not None
    drive.session.close()
    drive = Drive()
    now = out_and_back(drive)
    assert drive.see(now, at(2.0)) is not None
    drive.session.close()


def test_a_round_that_is_driven_all_day_keeps_each_place_once():
    drive = Drive()
    for lap in range(20):
        for i in range(12):
            turn = np.radians(30 * i)
            pose = Pose(np.array([4 * np.cos(turn), 4 * np.sin(turn), 0]), [0, 0, 0, 1])
            shown = shows(drive, i, 0.95) if lap else None
            drive.see(mixed(i, 100 + i, 0.95) if lap else i, pose, shown=shown)
    assert (drive.session.keyframes, drive.session.due_count) == (12, 240)
    assert drive.found(11)[0] == 11, 'the last keyframe is recent no more'
    drive.session.close()


def test_of_the_images_that_are_recent_some_may_have_been_spared():
    """What was kept long ago is not recent where the odometry has a gap either."""
    drive = Drive(exclude_time=0.0, exclude_distance=0.0, exclude_keyframes=5)
    now = out_and_back(drive)
    for x in (2.0, 4.0, 2.0, 4.0):
        assert drive.see(now, at(x), shown=shows(drive, int(x) // 2, 1.0)) is None
    assert (drive.session.keyframes, drive.session.due_count) == (5, 9)
    drive.tracker.update(20 * SECOND, None)
    assert sorted(drive.found(0, k=20)) == [0, 1, 2, 3]
    drive.session.close()


def test_keyframes_keep_pose_stamp_path_and_local_features():
    drive = Drive()
    for i in range(8):
        drive.see(i, at(2.0 * i))
    session = drive.session
    place = session.place(3)
    assert (place.place_id, place.session_id) == ('drive/000003', 'drive')
    assert (place.stamp_ns, place.sensor_frame) == (3 * SECOND, 'camera')
    assert place.pose.position[0] == 6.0 and session.distance_at(3) == pytest.approx(6.0)
    local = session.local_features(3)
    np.testing.assert_array_equal(local.positions, features(3).local.positions)
    assert session.image(3)[:2] == b'\xff\xd8'
    assert [p.index for p in session.neighbours(3, 2)] == [2, 4, 1, 5]
    assert [p.index for p in session.neighbours(0, 2)] == [1, 2]
    session.close()


def test_keyframes_keep_the_camera_and_may_go_without_images():
    camera = Camera((96, 54), np.array([[80.0, 0, 48], [0, 80, 27], [0, 0, 1]]), mount=at(0.2))
    drive = Drive(store_images=False)
    for i in range(3):
        frame = Frame(IMAGE, i * SECOND, 'camera', camera=camera, odometry=at(2.0 * i))
        drive.tracker.update(frame.stamp_ns, frame.odometry)
        drive.session.add_if_keyframe(frame, features(i))
    for number in range(3):
        known = drive.session.place(number).camera
        np.testing.assert_array_equal(known.matrix, camera.matrix)
        assert known.mount.position[0] == 0.2
        assert drive.session.image(number) is None
    drive.session.close()


def test_a_temporary_file_is_gone_afterwards_and_cannot_be_saved():
    drive = Drive()
    drive.see(1, at(0))
    folder = drive.session.path.parent
    assert drive.session.path.exists() and not drive.session.is_persistent
    with pytest.raises(InputError, match=r'set loops\.session_file'):
        drive.session.save()
    drive.session.close()
    assert not folder.exists()


def test_a_session_is_saved_as_a_map_and_goes_on(tmp_path):
    drive = Drive(tmp_path)
    with pytest.raises(MapError, match='no keyframe yet'):
        drive.session.save()
    for i in range(4):
        drive.see(i, at(10.0 * i))
    info = drive.session.save()
    assert (info.places, info.added, info.frame_id) == (4, 0, 'odom')
    assert not drive.session.path.with_name('s.folmap.changes').exists()
    drive.see(4, at(40.0))
    assert drive.found(1)[0] == 1 and drive.session.image(4)[:2] == b'\xff\xd8'
    drive.session.close()
    assert check_map(tmp_path / 's.folmap') == []
    with MapReader(tmp_path / 's.folmap') as reader:
        assert [place.stamp_ns for place in reader.places] == [i * SECOND for i in range(5)]
        assert not reader.info.calibrated


def test_images_are_answered_while_the_session_is_saved(tmp_path):
    drive = Drive(tmp_path)
    for i in range(30):
        drive.see(i, at(10.0 * i))
    saved = threading.Event()

    def save() -> None:
        for _ in range(5):
            drive.session.annotate('{}')
            drive.session.save()
        saved.set()

    thread = threading.Thread(target=save)
    thread.start()
    number = 30
    while not saved.is_set() or number < 40:
        assert drive.found(5)[0] == 5
        drive.session.local_features(5)
        drive.see(number, at(10.0 * number))
        number += 1
    thread.join()
    kept = drive.session.keyframes
    drive.session.close()
    with MapReader(tmp_path / 's.folmap') as reader:
        assert len(reader.places) == kept
    assert check_map(tmp_path / 's.folmap') == []


def test_feedback_is_in_the_file_and_survives_saving(tmp_path):
    drive = Drive(tmp_path)
    drive.session.annotate('{"early": 1}')
    drive.see(0, at(0.0))
    with MapReader(tmp_path / 's.folmap') as reader:
        assert reader.calibration() == {FEEDBACK: '{"early": 1}'}
        assert not reader.info.calibrated
    drive.session.annotate('{"later": 2}')
    drive.session.save()
    drive.session.close()
    with MapReader(tmp_path / 's.folmap') as reader:
        assert reader.calibration() == {FEEDBACK: '{"later": 2}'}
    assert check_map(tmp_path / 's.folmap') == []


def test_another_drive_gets_another_file(tmp_path):
    for name in ('s.folmap', 's-2.folmap', 's-3.folmap'):
        drive = Drive(tmp_path)
        assert drive.session.path == tmp_path / name
        drive.see(0, at(0.0))
        drive.session.close()


def test_names_that_cannot_be_written_are_refused(tmp_path):
    tracker = DistanceTracker(1.0)
    with pytest.raises(InputError, match=r'\.folmap'):
        SessionRecorder(
            replace(CONFIG, session_file=str(tmp_path / 's.db')), HEADER, 'drive', tracker
        )
    with pytest.raises(StorageError, match='no folder'):
        SessionRecorder(
            replace(CONFIG, session_file=str(tmp_path / 'a/s.folmap')), HEADER, 'drive', tracker
        )


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        reader, writer = os.pipe()
        # Forked rather than started: a new interpreter takes longer than what is to be tested.
        child = os.fork()
        if child == 0:
            try:
                drive = Drive(folder)
                for i in range(100_000):
                    drive.see(i, at(2.0 * i))
                    os.write(writer, f'{i}\n'.encode())
            finally:
                os._exit(1)
        os.close(writer)
        said = b''
        while said.count(b'\n') < 5 + 10 * seed:
            said += os.read(reader, 1 << 16)
        time.sleep(0.003 * seed)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        with os.fdopen(reader, 'rb') as rest:
            acknowledged = (said + rest.read()).count(b'\n')
        assert check_map(folder / 's.folmap') == []
        with MapReader(folder / 's.folmap') as found:
            assert acknowledged <= len(found.places) <= acknowledged + 1
            for place in found.places:
                local = found.local_features(place.index)
                expected = features(place.index).local.positions
                np.testing.assert_array_equal(local.positions, expected)


def test_memory_does_not_grow_with_local_features():
    """300 keyframes with 1.2 MB of local features each, as float16."""
    drive = Drive(exclude_distance=20.0)
    rows = 33_000
    many = features(0, rows)
    for i in range(20):
        drive.see(replace(many, global_descriptor=features(i).global_descriptor), at(2.0 * i))
    before = resident()
    for i in range(20, 320):
        drive.see(replace(many, global_descriptor=features(i).global_descriptor), at(2.0 * i))
        found = drive.session.search(features(i // 2), 3)
        assert found[0].index == i // 2
        drive.session.local_features(found[0].index)
    stored = sum(file.stat().st_size for file in drive.session.path.parent.iterdir())
    assert drive.session.keyframes == 320 and stored > 300e6
    assert resident() - before < 30e6
    drive.session.close()


def resident() -> int:
    """Bytes of memory that this process has."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()
