"""A drive that comes back, through the real network, session file and policy."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.disk_limits import small_files
from helpers.scenes import frames, write_folder

from fol_vpr.config import (
    LoopsConfig,
    MappingConfig,
    NetworkConfig,
    RecognizerConfig,
    RetrievalConfig,
    VerificationConfig,
)
from fol_vpr.database import FEEDBACK, MapReader, check_map
from fol_vpr.datatypes import Frame, LocalizationState, Pose, Verification
from fol_vpr.errors import InputError, MapError
from fol_vpr.loop_closure import LoopOutcome
from fol_vpr.mapping import build_map
from fol_vpr.recognizer import PlaceRecognizer
from fol_vpr.sources import open_source

PLACES = 6
SECOND = 1_000_000_000
LOOPS = LoopsConfig(enabled=True, exclude_distance=30.0)
CONFIG = RecognizerConfig(
    network=NetworkConfig(input_size=126, threads=1),
    retrieval=RetrievalConfig(candidates=6, rerank=4, hypotheses=3),
    # Made-up views of an input as small as this leave fewer matches than real ones.
    verification=VerificationConfig(min_inliers=20, min_regions=10, place_index_gap=0),
    loops=LOOPS,
)


@pytest.fixture
def recognizer(tmp_path) -> Iterator[PlaceRecognizer]:
    loops = replace(LOOPS, session_file=str(tmp_path / 'drive.folmap'))
    opened = PlaceRecognizer(replace(CONFIG, loops=loops))
    yield opened
    opened.close()


def drive(
    rounds: int = 2, *, odometry: bool = True, still: int = 1, closed: bool = False
) -> list[Frame]:
    """Rounds through the places, ten metres and a second apart, `still` images at each.

    The odometry goes straight on all the time, so that it is of no use to tell places apart;
    where `closed` it knows that the rounds are rounds.
    """
    seen = []
    for lap in range(rounds):
        for place, frame in enumerate(frames(PLACES, shift=4 * lap)):
            for image in range(still):
                number = (lap * PLACES + place) * still + image
                x = 10.0 * (place if closed else lap * PLACES + place) + 0.1 * image
                pose = Pose(np.array([x, 0, 0]), np.array([0.0, 0, 0, 1])) if odometry else None
                seen.append(
                    replace(frame, stamp_ns=(number + 1) * SECOND, pose=None, odometry=pose)
                )
    return seen


def closures(recognizer: PlaceRecognizer, images: list[Frame]) -> list:
    return [closure for image in images for closure in recognizer.recognize(image).loop_closures]


def test_a_drive_without_a_map_finds_its_own_loops(recognizer):
    answers = [recognizer.recognize(frame) for frame in drive()]
    assert all(a.state == LocalizationState.UNKNOWN and not a.hypotheses for a in answers)
    assert all('loops' in a.timings and a.timings['total'] > 0 for a in answers)
    first = answers[:PLACES]
    assert not any(a.loop_closures for a in first)
    found = [c for a in answers for c in a.loop_closures]
    assert len(found) >= 3
    for closure in found:
        assert closure.session_from == closure.session_to == recognizer.session_id
        assert closure.stamp_from_ns - closure.stamp_to_ns == PLACES * SECOND
        assert closure.verification == Verification.GEOMETRY
        assert (closure.frame_from, closure.frame_to) == ('camera', 'camera')
        assert np.isnan(closure.probability)
        assert closure.matches >= closure.inliers >= 20
    assert len({c.candidate_id for c in found}) == len(found)
    status = recognizer.loops
    assert (status.keyframes, status.counts.published) == (2 * PLACES, len(found))
    assert status.file.endswith('drive.folmap') and status.problem == ''
    outcomes = status.diagnosis.outcomes
    assert outcomes.total() == len(answers)
    assert outcomes[LoopOutcome.PUBLISHED] == len(found)
    assert outcomes[LoopOutcome.NO_OLD_KEYFRAME] == 3, 'thirty metres are excluded'
    assert outcomes[LoopOutcome.FEW_IMAGES] >= 1, 'two images in a row have to agree'


def test_it_works_without_odometry(tmp_path):
    loops = LoopsConfig(
        enabled=True, exclude_time=4.0, exclude_keyframes=2, min_information_gain_bits=0.0
    )
    opened = PlaceRecognizer(replace(CONFIG, loops=loops))
    try:
        found = closures(opened, drive(odometry=False))
        assert len(found) >= 3
        assert all(c.stamp_from_ns - c.stamp_to_ns == PLACES * SECOND for c in found)
        assert opened.loops.file == ''
    finally:
        opened.close()


@pytest.mark.parametrize('reason', ['not wanted', 'odometry speaks against it'])
def test_revisits_may_become_keyframes_all_the_same(reason):
    loops = replace(LOOPS, skip_revisits=reason != 'not wanted')
    opened = PlaceRecognizer(replace(CONFIG, loops=loops))
    try:
        assert len(closures(opened, drive(closed=reason == 'not wanted'))) >= 3
        assert opened.loops.keyframes == 2 * PLACES
    finally:
        opened.close()


def test_rounds_are_kept_once_and_found_in_each_one(recognizer):
    rounds = np.array_split(np.array(drive(3, closed=True), object), 3)
    found = [closures(recognizer, list(each)) for each in rounds]
    assert [len(each) >= 3 for each in found] == [False, True, True]
    assert recognizer.loops.keyframes <= PLACES + 3, 'of 18 that were due'
    within = [c.stamp_from_ns - c.stamp_to_ns for each in found for c in each]
    assert all(apart % (PLACES * SECOND) == 0 for apart in within)


def test_a_robot_that_stands_still_where_it_was_does_not_repeat_itself(recognizer):
    images = drive(still=4)
    found = closures(recognizer, images)
    assert 3 <= len(found) <= PLACES
    assert recognizer.loops.keyframes == 2 * PLACES


def test_a_single_query_leaves_the_drive_alone(recognizer):
    for frame in drive(1):
        recognizer.recognize(frame)
    with pytest.raises(MapError, match='no map is loaded'):
        recognizer.recognize(frames(1)[0], sequence=False)
    assert recognizer.loops.keyframes == PLACES


def test_feedback_moves_the_threshold_and_is_in_the_file(recognizer, tmp_path):
    (first, *others) = closures(recognizer, drive())
    assert recognizer.closure_feedback(first.candidate_id, False, 'residual 7 m') == ''
    assert 'answered already' in recognizer.closure_feedback(first.candidate_id, True)
    assert 'never' in recognizer.closure_feedback(10**9, True)
    assert recognizer.closure_feedback(others[0].candidate_id, True) == ''
    counts = recognizer.loops.counts
    assert (counts.accepted, counts.rejected, counts.ignored) == (1, 1, 2)
    assert counts.threshold > 0
    assert recognizer.save_session().places == 2 * PLACES
    recognizer.close()
    path = tmp_path / 'drive.folmap'
    assert check_map(path) == []
    with MapReader(path) as reader:
        written = json.loads(reader.calibration()[FEEDBACK])
        assert reader.places[2].pose.position[0] == 20.0
    assert written['threshold'] == counts.threshold
    assert [answer['status'] for answer in written['answers']] == ['rejected', 'accepted']
    assert written['answers'][0]['reason'] == 'residual 7 m'
    assert written['answers'][0]['stamp_from_ns'] == first.stamp_from_ns


def test_what_the_feedback_taught_is_where_the_next_drive_begins(recognizer, tmp_path, caplog):
    (first, *_) = closures(recognizer, drive())
    recognizer.closure_feedback(first.candidate_id, False, 'residual 7 m')
    learned = recognizer.loops.counts.threshold
    assert learned > 0
    recognizer.close()
    path = tmp_path / 'drive.folmap'

    def begun(config: RecognizerConfig, then_load: Path | None = None) -> float:
        opened = PlaceRecognizer(config)
        try:
            if then_load is not None:
                opened.load_map(then_load)
            opened.recognize(frames(1)[0], sequence=opened.loops.enabled)
            return opened.loops.counts.threshold
        finally:
            opened.close()

    of_drive = replace(CONFIG, loops=replace(LOOPS, session_file=str(path)))
    assert begun(of_drive) == learned
    # Nobody answered in that drive, and its file hands it on.
    assert begun(of_drive) == learned
    assert len(list(tmp_path.glob('*.folmap'))) == 3
    without = replace(CONFIG, loops=LoopsConfig())
    assert begun(without, then_load=path) == learned
    assert begun(replace(CONFIG, loops=LOOPS)) == 0
    path.with_name('drive-3.folmap').write_bytes(b'no map')
    assert begun(of_drive) == 0
    assert 'feedback of the drive before is not taken up' in caplog.text


def test_the_saved_drive_is_a_map_in_which_another_one_is_found(recognizer, tmp_path):
    for frame in drive(1):
        recognizer.recognize(frame)
    info = recognizer.save_session()
    other = PlaceRecognizer(replace(CONFIG, loops=LoopsConfig()))
    try:
        other.load_map(info.path)
        answers = [other.recognize(f).hypotheses[0] for f in frames(PLACES, shift=3)]
        assert [h.place.index for h in answers] == list(range(PLACES))
    finally:
        other.close()


def test_closures_with_the_map_and_within_the_drive_come_together(recognizer, tmp_path):
    source = open_source(write_folder(tmp_path / 'images', PLACES))
    build_map(source, tmp_path / 'map.folmap', recognizer.extractor, MappingConfig())
    recognizer.load_map(tmp_path / 'map.folmap')
    found = closures(recognizer, drive(still=4))
    within = [c for c in found if c.session_to == recognizer.session_id]
    beyond = [c for c in found if c.session_to == 'images']
    assert len(within) >= 3 and len(beyond) >= 2 * 3
    # However many images were localized at a place: one closure for each visit.
    assert len(beyond) <= 2 * PLACES
    assert len(within) + len(beyond) == len(found)


def test_a_full_disk_costs_keyframes_but_no_answers(recognizer):
    images = drive()
    for frame in images[:3]:
        recognizer.recognize(frame)
    log = Path(recognizer.loops.file).with_name('drive.folmap.changes-wal')
    with small_files(log.stat().st_size):
        for frame in images[3:5]:
            assert recognizer.recognize(frame).timings['total'] > 0
        status = recognizer.loops
    assert 'the keyframe was not stored' in status.problem and status.keyframes == 3
    recognizer.recognize(images[5])
    assert (recognizer.loops.problem, recognizer.loops.keyframes) == ('', 4)


def test_untrained_weights_find_no_loops():
    network = NetworkConfig(weights='untrained-vits14', input_size=126, threads=1)
    opened = PlaceRecognizer(replace(CONFIG, network=network))
    try:
        assert closures(opened, drive()) == []
        assert opened.loops.keyframes == 2 * PLACES
    finally:
        opened.close()


def test_without_the_setting_nothing_is_kept():
    opened = PlaceRecognizer(replace(CONFIG, loops=LoopsConfig()))
    try:
        assert not opened.loops.enabled
        with pytest.raises(InputError, match=r'set loops\.enabled'):
            opened.save_session()
        with pytest.raises(MapError, match='no map is loaded'):
            opened.recognize(frames(1)[0])
    finally:
        opened.close()


def test_a_session_file_that_cannot_be_is_refused_at_once():
    with pytest.raises(InputError, match=r'\.folmap'):
        PlaceRecognizer(replace(CONFIG, loops=LoopsConfig(enabled=True, session_file='x.bag')))


def test_what_was_observed_before_another_map_came_is_forgotten(tmp_path):
    """A loop is published by images in a row, and loading a map is no matter of one image."""
    opened = [PlaceRecognizer(CONFIG) for _ in range(2)]
    try:
        source = open_source(write_folder(tmp_path / 'images', PLACES))
        build_map(source, tmp_path / 'map.folmap', opened[0].extractor, MappingConfig())
        images = drive()

        def within(recognizer: PlaceRecognizer, image: Frame) -> bool:
            found = closures(recognizer, [image])
            return any(c.session_to == recognizer.session_id for c in found)

        first = next(n for n, image in enumerate(images) if within(opened[0], image))
        assert not any(within(opened[1], image) for image in images[:first])
        opened[1].load_map(tmp_path / 'map.folmap')
        assert [within(opened[1], image) for image in images[first : first + 2]] == [False, True]
    finally:
        for each in opened:
            each.close()


def test_a_closure_with_the_map_is_measured_where_the_rate_left_the_image_out(
    recognizer, tmp_path
):
    """With a rate, the closure itself asks for the measurement that its image did not get."""
    source = open_source(write_folder(tmp_path / 'images', PLACES))
    build_map(source, tmp_path / 'map.folmap', recognizer.extractor, MappingConfig())
    recognizer.load_map(tmp_path / 'map.folmap')
    asked = []
    for rate in (0.0, 1e-6):
        verification = replace(CONFIG.verification, pose_rate=rate)
        recognizer.set_config(replace(CONFIG, verification=verification))
        recognizer.reset_sequence()
        measure = recognizer._poses.measured

        def counted(*given, measure=measure):
            asked.append(given[1].stamp_ns)
            return measure(*given)

        recognizer._poses.measured = counted
        try:
            found = [
                c
                for c in closures(recognizer, drive(1, still=4))
                if c.session_to != recognizer.session_id
            ]
        finally:
            del recognizer._poses.measured
        assert found
        if not rate:
            assert not asked
    assert asked
