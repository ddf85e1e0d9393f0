"""The page in a notebook's cell: its address, with and without a proxy, and its server's life."""

import urllib.error
import urllib.request

import pytest

from labkit import browser
from labkit.base.errors import MissingExtra, UsageError
from labkit.browser.page import javascript
from labkit.browser.page.javascript import FILES, Parts
from labkit.browser.page.notebook import PREFIX
from tests.support.helpers import nothing_left_behind

pytestmark = pytest.mark.measured


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path):
    """The page's parts are there, and no JupyterHub is."""
    for path in FILES.values():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("// a part")
    monkeypatch.setattr(javascript, "find", lambda: Parts(tmp_path))
    monkeypatch.delenv(PREFIX, raising=False)


def test_it_is_served_until_it_is_closed():
    with nothing_left_behind():
        page = browser.frame()
        try:
            with urllib.request.urlopen(page.url, timeout=5) as answer:
                assert b"Press me" in answer.read()
            assert page.url == f"http://127.0.0.1:{page.server.port}/"
        finally:
            page.close()
        page.close()


def test_the_iframe_shows_the_page():
    with browser.frame(height=300) as page:
        shown = page._repr_html_()
        assert f'<iframe src="{page.url}"' in shown
        assert 'height="300"' in shown


@pytest.mark.parametrize("proxy", ["/", "/user/me", "/user/me/", "https://hub.example/user/me/"])
def test_behind_a_proxy_it_has_the_proxys_address(proxy):
    with browser.frame(proxy=proxy) as page:
        assert page.url == f"{proxy.rstrip('/')}/proxy/{page.server.port}/"


def let_in(page, host):
    """Whether the page is shown to who asks for it by this name."""
    request = urllib.request.Request(f"{page.server.url}/", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return b"Press me" in answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code != 403


@pytest.mark.parametrize(
    ("proxy", "hub", "stranger"),
    [("", False, False), ("https://hub.example:8000/user/me/", True, False), ("/user/me/", True, True)],
)
def test_it_is_shown_under_its_own_name_and_its_proxys(proxy, hub, stranger):
    with browser.frame(proxy=proxy) as page:
        assert let_in(page, f"127.0.0.1:{page.server.port}")
        assert let_in(page, "localhost:8888")  # a Jupyter server of this machine, that passes it on
        assert let_in(page, "hub.example:8000") is hub
        assert let_in(page, "stranger.example") is stranger


def test_under_jupyterhub_it_goes_through_the_proxy_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv(PREFIX, "/user/me/")
    with browser.frame() as page:
        assert page.url == f"/user/me/proxy/{page.server.port}/"
    with browser.frame(proxy="") as page:
        assert page.url == f"http://127.0.0.1:{page.server.port}/"


@pytest.mark.parametrize("proxy", ["javascript:alert(1)", "user/me/", "ftp://here/"])
def test_what_is_no_address_is_refused_and_nothing_is_left(proxy):
    with nothing_left_behind(), pytest.raises(UsageError, match="proxy must be a path"):
        browser.frame(proxy=proxy)


def test_an_address_is_escaped():
    with browser.frame(proxy='/"><script>/') as page:
        assert "<script>" not in page._repr_html_()


def test_without_parts_it_says_how_to_get_them(monkeypatch):
    def absent():
        raise MissingExtra("run labkit browser --install")

    monkeypatch.setattr(javascript, "find", absent)
    with nothing_left_behind(), pytest.raises(MissingExtra, match="labkit browser --install"):
        browser.frame()
