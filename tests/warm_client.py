"""Ask ``warm_server.py`` to run a command: the one that this file is called."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    here, name = os.path.split(sys.argv[0])
    server.connect(os.path.join(here, "socket"))  # noqa: PTH118 - importing pathlib takes time
    request = [[name, *sys.argv[1:]], os.getcwd(), dict(os.environ)]  # noqa: PTH109
    socket.send_fds(server, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
