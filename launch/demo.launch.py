"""Shows the node at work on a bag: builds a map from it, starts the node, and plays the bag to it.

ros2 launch fol_vpr demo.launch.py bag:=DRIVE queries:=OTHER_DRIVE
"""

from launch import LaunchContext, LaunchDescription

from fol_vpr.ros.launching.arguments import common_arguments_with_bag, demo_arguments
from fol_vpr.ros.launching.description import command, describe, end, tell, when_done
from fol_vpr.ros.launching.localizer import localizer, share_folder
from fol_vpr.ros.launching.playback import START_SECONDS, read_drive
from fol_vpr.ros.launching.values import expanded, flag, is_left, is_none, number, output_folder


def generate_launch_description() -> LaunchDescription:
    return describe(
        __file__, [*demo_arguments(), *common_arguments_with_bag(share_folder())], _start
    )


def _start(context: LaunchContext, given: dict[str, str]) -> list:
    queries = given['bag'] if is_none(given['queries']) else given['queries']
    reference, played = read_drive(given), read_drive({**given, 'bag': queries})
    map_file = output_folder(given['output']) / 'map.folmap'
    words = ['--bag', reference.bag, '--image-topic', reference.image_topic]
    if not is_none(given['pose_topic']):
        words += ['--pose-topic', given['pose_topic']]
    if not is_left(given['weights']):
        words += ['--weights', expanded(given['weights'])]
    rate = ['--rate', number('rate', given['rate']), '--wait-for', START_SECONDS]
    loop = ['--loop'] if flag('loop', given['loop']) else []
    play = command('bag', *played.player(*rate, *loop))
    started = {**given, **played.node_arguments(), 'map': str(map_file)}
    node = localizer(context, started, __file__, {'autostart': True})
    shown = [*node, play, when_done(play, 'playing the bag', [end('the bag has been played')])]
    if map_file.exists():
        tell(f'the map {map_file} is there already and is used')
        return shown
    build = command('map', 'build', *words, '--output', map_file)
    return [when_done(build, 'building the map', shown), build]
