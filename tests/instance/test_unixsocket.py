"""Unix sockets at paths of any length."""

import os
import stat

import pytest

from fluxplug.instance import unixsocket


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_a_socket_is_reached_however_long_its_path(tmp_path, depth):
    folder = tmp_path.joinpath(*["d" * 60] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / "socket")
    with unixsocket.listen(path) as server:
        assert stat.S_IMODE((folder / "socket").stat().st_mode) == 0o600
        with unixsocket.connect(path, timeout=10) as client:
            accepted, _ = server.accept()
            with accepted:
                assert unixsocket.peer_uid(accepted) == os.getuid()
                client.sendall(b"x")
                assert accepted.recv(1) == b"x"


def test_what_lay_there_is_replaced_and_nobody_serving_is_an_error(tmp_path):
    path = str(tmp_path / "socket")
    unixsocket.listen(path).close()
    with pytest.raises(ConnectionRefusedError):
        unixsocket.connect(path)
    with unixsocket.listen(path), unixsocket.connect(path, timeout=10):
        pass
    with pytest.raises(FileNotFoundError):
        unixsocket.connect(str(tmp_path / "none"))
