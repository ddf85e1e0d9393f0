"""The page in a notebook's cell, to press its buttons beside the code: an IFrame on a server of this process.

A notebook's page shows what is on the reader's own machine, and the server is on the kernel's. Where these are two, the
IFrame goes through jupyter-server-proxy, which passes on ``PREFIX/proxy/PORT/`` to whom is logged in.
https://jupyter-server-proxy.readthedocs.io/en/latest/arbitrary-ports-hosts.html
"""

import os
from html import escape
from typing import Self
from urllib.parse import urlsplit

from labkit.base.errors import UsageError
from labkit.base.renamed import refusing_old_names
from labkit.browser.page.server import server_of
from labkit.plan.work import Work
from labkit.server.in_process import Server
from labkit.strategies import Strategy

#: Set by JupyterHub for what it starts, Binder's servers included: where below the hub the reader's Jupyter server is.
#: https://jupyterhub.readthedocs.io/en/stable/reference/services.html
PREFIX = "JUPYTERHUB_SERVICE_PREFIX"


class Frame:
    """The page, shown where it is a cell's value; made by :func:`frame`. Its server runs until :meth:`close`.

    Args:
        server: a running one, with the page.
        proxy: the Jupyter server's address as the reader's browser sees it; empty for none.
        height: of the IFrame, in CSS pixels.

    Attributes:
        url: of the page, as the reader's browser reaches it: a path where it is behind the notebook's own host.
    """

    def __init__(self, server: Server, *, proxy: str = "", height: int = 640) -> None:
        if proxy and not proxy.startswith(("/", "http://", "https://")):
            raise UsageError(f"proxy must be a path that begins with / or an http address, not {proxy!r}")
        self.server = server
        self.height = height
        self.url = f"{proxy.rstrip('/')}/proxy/{server.port}/" if proxy else f"{server.url}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server; twice does no harm."""
        self.server.stop()

    def __repr__(self) -> str:
        return f"The page is at {self.url} until close()."

    def _repr_html_(self) -> str:
        url = escape(self.url)
        return (
            f'<iframe src="{url}" width="100%" height="{self.height}" style="border: 0; background: white"></iframe>'
            f'<p><small>The page is at <a href="{url}" target="_blank">{url}</a> until close().</small></p>'
        )


def _names(proxy: str) -> list[str]:
    """By which names a reader's browser asks for the page: a proxy passes on the one that it was asked for.

    Of a path alone the name is not known. Then any is let in, and who may come is up to the Jupyter server, which asks
    for a login: a browser that reaches this machine's loopback address by itself is not what such a proxy is for.
    """
    if not proxy:
        return []
    host = urlsplit(proxy).hostname
    return ["*" if host is None else host]


@refusing_old_names
def frame(
    strategy: str | Strategy = "inline",
    work: Work | None = None,
    *,
    port: int = 0,
    proxy: str | None = None,
    height: int = 640,
) -> Frame:
    """The page by hand in a notebook: ``page = browser.frame("inline", lab.cpu(300))``, then ``page``.

    Args:
        strategy: how the page's button is answered.
        work: what an answer costs; 1 ms of waiting where None.
        port: 0 for one that is free.
        proxy: where the reader's browser finds the Jupyter server whose jupyter-server-proxy passes the page on: ``/``,
            ``/user/me/``, or with the host. Empty for none: kernel and browser are on one machine. By default what
            JupyterHub says, and none where there is no JupyterHub.
        height: of the IFrame, in CSS pixels.

    Raises:
        MissingExtra: the page's JavaScript parts are not installed.
        UsageError: `proxy` is no address.
        LabError: the server did not start.
    """
    behind = os.environ.get(PREFIX, "") if proxy is None else proxy
    server = server_of(strategy, work, port=port, names=_names(behind))
    server.start()
    try:
        return Frame(server, proxy=behind, height=height)
    except BaseException:
        server.stop()
        raise
