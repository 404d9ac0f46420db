"""Two sockets joined."""

import asyncio
import socket

import pytest

from orderd.rpc.relay import End


async def ends():
    """Return an end on a socket pair, and the other side of the pair."""
    near, far = socket.socketpair()
    near.settimeout(0)
    far.settimeout(0)
    _, end = await asyncio.get_running_loop().create_unix_connection(End, sock=near)
    return end, far


async def received(sock, count):
    got = b""
    while len(got) < count:
        got += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65536), 2)
    return got


@pytest.mark.parametrize("paused", [True, False])
async def test_what_comes_before_the_two_are_joined_is_not_lost(paused):
    """GRPC's server speaks first; some versions of asyncio read although they were told to pause."""
    (one, far_one), (other, far_other) = await ends(), await ends()
    if not paused:
        one.transport.resume_reading()
    far_one.send(b"settings")
    await asyncio.sleep(0.05)
    one.join(other)
    far_one.send(b" and more")
    assert await received(far_other, 17) == b"settings and more"
    for sock in (far_one, far_other):
        sock.close()
    await asyncio.wait_for(asyncio.gather(one.closed, other.closed), 2)


async def test_much_goes_through_in_order_however_slowly_it_is_read():
    """Megabytes arrive as they were sent; the sender is held back, not the memory filled."""
    (one, far_one), (other, far_other) = await ends(), await ends()
    one.join(other)
    sent = bytes(range(256)) * 16_384
    sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(far_one, sent))
    await asyncio.sleep(0.1)
    assert not sending.done()
    assert await received(far_other, len(sent)) == sent
    await sending
    for sock in (far_one, far_other):
        sock.close()
    await asyncio.wait_for(asyncio.gather(one.closed, other.closed), 2)
