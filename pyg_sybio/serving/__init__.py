"""The server behind ``sybio serve``: poses come in by WebSocket, a page shows what a model makes of them.

Read :mod:`~pyg_sybio.serving.app` first, for what can be asked of it; then
:mod:`~pyg_sybio.serving.source`, the way of a frame from whoever sent it through the model to everybody who
watches; :mod:`~pyg_sybio.serving.hub`, who watches what; and :mod:`~pyg_sybio.serving.limits`, how much one
of them may ask for.
"""
