"""The server behind ``sybio serve``, which receives poses by WebSocket and shows the results on a web page.

Start with :mod:`~pyg_sybio.serving.app`, the routes. Then read :mod:`~pyg_sybio.serving.source`, the path of
a frame through the model to its producer and to the viewers; :mod:`~pyg_sybio.serving.audience`, the viewers
and their sources; and :mod:`~pyg_sybio.serving.limits` and :mod:`~pyg_sybio.serving.listening`, the limits.
"""
