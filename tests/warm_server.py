"""Run commands in forks of a process that has imported the heavy libraries already.

    warm_server.py SOCKET

A short command that fits or checks spends most of its time on importing torch. Here a client
(``warm_client.py``, under the name of the command) sends its command line, folder, environment and
standard streams. A fork takes them over and runs as a new Python would. The client then exits with
the same status.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import traceback
import warnings
from pathlib import Path

HEAVY = (
    *("matplotlib.figure", "matplotlib.backends.backend_svg", "mpl_toolkits.mplot3d", "mpmath"),
    *("torch", "torch._dynamo", "torch._export.serde.serialize"),
    *("torch.export._trace", "torch.fx.experimental.validator", "sympy.tensor.tensor"),
)


def run(program, *arguments):
    """Do what a new Python does with a command line."""
    if arguments[:2] == ("-W", "error"):
        warnings.simplefilter("error")
        arguments = arguments[2:]
    if program != "python":
        package = "export" if program == "calibrate" else "infer"
        sys.argv = [program, *arguments]
        getattr(importlib.import_module(f"{package}._entry"), program)()
    elif arguments[0] == "-m":
        sys.argv, sys.path[:0] = [*arguments[1:]], [str(Path.cwd())]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv, sys.path[:0] = ["-c", *arguments[2:]], [""]
        exec(arguments[1], {"__name__": "__main__"})  # noqa: S102
    else:
        sys.argv, sys.path[:0] = [*arguments], [str(Path(arguments[0]).parent)]
        runpy.run_path(arguments[0], run_name="__main__")


def take_over(client):
    """Become what a client asks for, and return its command line."""
    data, streams, _, _ = socket.recv_fds(client, 1 << 16, 3)
    while not data.endswith(b"\n"):
        data += client.recv(1 << 16)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    command, folder, environment = json.loads(data)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # The server's streams remember what they could do: buffer by lines, seek.
    encoding, _, errors = environment.get("PYTHONIOENCODING", "").partition(":")
    same = {"encoding": encoding or None, "closefd": False}
    sys.stdin = open(0, errors=errors or None, **same)  # noqa: SIM115
    sys.stdout = open(1, "w", errors=errors or None, **same)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", **same)  # noqa: SIM115
    return command


def run_to_the_end(command):
    """Run and exit, without tidying up torch's million objects."""
    try:
        run(*command)
        code = 0
    except SystemExit as error:
        code = error.code or 0
        if isinstance(code, str):
            code = print(code, file=sys.stderr) or 1  # noqa: T201
    except BaseException:  # noqa: BLE001 - as a new Python would show it
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def fork():
    with warnings.catch_warnings():
        # Python 3.12 warns of threads. Those of the libraries do nothing yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def serve(path):
    for name in HEAVY:
        with contextlib.suppress(ImportError):  # where torch is not installed
            importlib.import_module(name)
    del sys.path[0]  # the folder of this file
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        print("ready", flush=True)  # noqa: T201
        while True:
            client, _ = listener.accept()
            if fork():
                client.close()
                with contextlib.suppress(ChildProcessError):
                    while os.waitpid(-1, os.WNOHANG)[0]:
                        pass
                continue
            listener.close()
            child = fork()
            if not child:
                command = take_over(client)
                client.close()
                run_to_the_end(command)
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            client.sendall(b"%d" % (code if code >= 0 else 128 - code))
            os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
