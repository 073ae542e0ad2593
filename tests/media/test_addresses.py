"""X5: a medium is fetched from WeCom's hosts, on public addresses, and from nowhere inside."""

import pytest
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot.errors import MediaError
from config.wecom import WeComSettings
from handlers.wecom.media.addresses import PublicOnly, checked, is_public

API = "http://127.0.0.1:9000"
STORE = "ww-1.cos.ap-guangzhou.myqcloud.com"
SETTINGS = WeComSettings(api_url=API)

REFUSED = [
    f"http://{STORE}/x",
    f"https://{STORE}:8443/x",
    f"https://user@{STORE}/x",
    f"https://{STORE}@evil.example/x",
    f"https://{STORE}:443@evil.example/x",
    f"https://evil.example#@{STORE}/x",
    f"https://evil.example\\@{STORE}/x",
    f"https://{STORE}.evil.example/x",
    f"https://{STORE}./x",
    "https://myqcloud.com/x",
    "https://evilmyqcloud.com/x",
    "https://127.0.0.1/x",
    "https://2130706433/x",
    "https://0x7f000001/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:9001/x",
    "https://127.0.0.1:9000/x",
    "http://me@127.0.0.1:9000/x",
    "http://localhost:9000/x",
    f"ftp://{STORE}/x",
    "file:///etc/passwd",
    "//evil.example/x",
    "/x",
    "",
    "https://",
    "https://[bad",
    "https://x.myqcloud.com:99999/x",
]
INNER = [
    *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0::1"),
    *("::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b:1::a00:1", "fec0::1"),
    *("", "localhost", "1.2.3"),
]
OUTER = ["1.1.1.1", "119.29.29.29", "2402:4e00::1", "::ffff:1.1.1.1", "64:ff9b::101:101"]


def go_to(address):
    return checked(address, allows=SETTINGS.allows, own=URL(API))


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_only_looks_like_wecoms_is_refused(address):
    with pytest.raises(MediaError, match="refused"):
        go_to(address)


@pytest.mark.parametrize(
    "address",
    [f"https://{STORE}/a?sign=b%2Fc", f"https://{STORE.upper()}/a", f"{API}/x?y=z"],
)
def test_wecoms_stores_and_the_origin_of_its_api_are_gone_to(address):
    assert go_to(address).host in {STORE, "127.0.0.1"}


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_told_in_whatever_way_it_is_written(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTER)
def test_an_address_of_the_internet_is_one(address):
    assert is_public(address)


class Names(AbstractResolver):
    """A resolver that somebody else answers: each look-up may say another address."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def resolve(self, host, port=0, family=0):
        self.asked.append(host)
        return [{"host": one} for one in self.answers.pop(0)]

    async def close(self):
        self.answers = []


async def test_a_name_that_means_an_inner_address_is_refused_also_beside_an_outer_one():
    resolver = PublicOnly(URL(API), Names(["10.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["1.1.1.1"]))
    for _ in range(2):
        with pytest.raises(MediaError, match="refused"):
            await resolver.resolve(STORE, 443)
    assert [one["host"] for one in await resolver.resolve(STORE, 443)] == ["1.1.1.1"]


async def test_the_host_of_the_api_may_be_an_inner_one_at_its_own_port_alone():
    resolver = PublicOnly(URL("https://wecom.corp"), Names(["10.0.0.1"], ["10.0.0.1"]))
    assert await resolver.resolve("wecom.corp", 443)
    with pytest.raises(MediaError, match="refused"):
        await resolver.resolve("wecom.corp", 8443)
    await resolver.close()


async def test_without_a_resolver_the_systems_own_is_asked():
    resolver = PublicOnly(URL(API))
    with pytest.raises(MediaError, match="refused"):
        await resolver.resolve("localhost", 443)
    await resolver.close()
    await PublicOnly(URL(API)).close()
