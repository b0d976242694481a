"""The service ~/enable of the node."""

from __future__ import annotations

from collections.abc import Callable

from std_srvs.srv import SetBool

from fol_vpr.ros.node.context import NodeContext


class EnableService:
    """Makes an active node listen to images, or stop listening.

    Args:
        context: of the node.
        listen: subscribes the active node to its inputs (True), or unsubscribes it (False).
    """

    def __init__(self, context: NodeContext, listen: Callable[[bool], None]) -> None:
        self._context = context
        self._listen = listen
        context.calls.create_service(SetBool, '~/enable', self._on_enable)

    async def _on_enable(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        context = self._context
        context.enabled = request.data
        word = 'enabled' if request.data else 'disabled'
        if context.state == 'active':
            self._listen(request.data)
            response.message = word
        else:
            response.message = f'{word} as soon as the node, now {context.state}, is active'
        response.success = True
        return response
