"""The calls that nav2's lifecycle manager makes, in the order of lifecycle_manager.cpp (Jazzy)."""

from __future__ import annotations

from helpers import live
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

GOALS = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: State.PRIMARY_STATE_FINALIZED,
}
SEQUENCES = {
    'startup': (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE),
    'configure': (Transition.TRANSITION_CONFIGURE,),
    'cleanup': (Transition.TRANSITION_CLEANUP,),
    'pause': (Transition.TRANSITION_DEACTIVATE,),
    'resume': (Transition.TRANSITION_ACTIVATE,),
    'reset': (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP),
    'shutdown': (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    ),
}


class Nav2Manager:
    """Makes the manager's calls to one node; a call without an answer fails the test.

    Args:
        watch: an observer, whose node calls.
    """

    def __init__(self, watch: live.Observer) -> None:
        self._watch = watch
        self._change = watch.client(ChangeState, 'change_state')
        self._get = watch.client(GetState, 'get_state')

    def change(self, id: int = 0, label: str = '') -> bool:
        """The answer to a request for a transition."""
        request = ChangeState.Request(transition=Transition(id=id, label=label))
        return self._answer(self._change, request).success

    def state(self) -> str:
        """Label of the state."""
        return self._answer(self._get, GetState.Request()).current_state.label

    def run(self, sequence: str) -> bool:
        """Make the calls of a sequence; returns whether the manager would call it a success.

        Like the manager it stops at the first failure, except at a shutdown.
        """
        success = True
        for id in SEQUENCES[sequence]:
            if not self.change(id) or self._state_id() != GOALS[id]:
                success = False
                if sequence != 'shutdown':
                    break
        return success

    def _state_id(self) -> int:
        return self._answer(self._get, GetState.Request()).current_state.id

    def _answer(self, client, request):
        future = client.call_async(request)
        self._watch.until(future.done)
        return future.result()
