"""Attacks on the sandbox, as data, so that root and an unprivileged user run the same ones.

An attack's source raises (python) or prints LOOT (shell) when it *succeeds* in reaching something;
a python attack that is contained ends normally, so its harmless test passes, or it dies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cycleqd.evaluation.sandbox import Limits, PythonProgram, ShellProgram

MEBIBYTE = 1 << 20
CONTAINED = ("passed",)
ENDED = ("failed", "timeout", "limit")


@dataclass(frozen=True)
class PythonAttack:
    source: str
    allowed: tuple[str, ...] = CONTAINED
    limits: Limits = field(default_factory=lambda: Limits(cpu_seconds=1, wall_seconds=2.5))

    def program(self, worker: int) -> PythonProgram:
        # Success of the attack raises Reached, which nothing but the harness catches.
        setup = f"class Reached(BaseException): pass\nworker = {worker}\n"
        return PythonProgram(setup, self.source, "", self.limits)


@dataclass(frozen=True)
class ShellAttack:
    source: str
    allowed: tuple[str, ...] = ("passed",)
    limits: Limits = field(default_factory=lambda: Limits(cpu_seconds=1, wall_seconds=2.5))

    def program(self, worker: int) -> ShellProgram:
        return ShellProgram({}, self.source.replace("WORKER", str(worker)), (), self.limits)


def traces() -> list[str]:
    """Traces that an attack would have left on this machine."""
    return [path for path in ("/tmp/cycleqd-loot", "/dev/shm/cycleqd-loot") if Path(path).exists()]


def _refused(statement: str, errors: str = "OSError") -> str:
    body = "\n".join(f"    {line}" for line in statement.splitlines())
    return f"import os\ntry:\n{body}\nexcept ({errors}):\n    pass\nelse:\n    raise Reached\n"


PYTHON_ATTACKS = {
    "socket inet": PythonAttack(_refused("import socket\nsocket.socket()")),
    "socket inet6": PythonAttack(_refused("import socket\nsocket.socket(socket.AF_INET6)")),
    "socket unix": PythonAttack(_refused("import socket\nsocket.socket(socket.AF_UNIX)")),
    "socket raw": PythonAttack(
        _refused("import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)")
    ),
    "socket pair of datagrams": PythonAttack(
        _refused("import socket\nsocket.socketpair(type=socket.SOCK_DGRAM)")
    ),
    "socket pair of raw datagrams": PythonAttack(
        _refused("import socket\nsocket.socketpair(type=socket.SOCK_RAW)")
    ),
    "resolve a name": PythonAttack(
        _refused("import socket\nsocket.create_connection(('1.1.1.1', 53), 2)")
    ),
    "environment": PythonAttack(
        "import os\nfor name in os.environ:\n"
        "    if 'SECRET' in name or 'AWS' in name: raise Reached\n"
    ),
    "environment of the worker": PythonAttack(
        "import os\nfor pid in {worker, os.getppid(), 1}:\n"
        "    try: data = open(f'/proc/{pid}/environ', 'rb').read()\n"
        "    except OSError: continue\n"
        "    raise Reached\n"
    ),
    "memory of the harness": PythonAttack(
        "import os\nfor pid in {worker, os.getppid(), os.getpid(), 1}:\n"
        "    try: open(f'/proc/{pid}/mem', 'r+b')\n"
        "    except OSError: continue\n"
        "    raise Reached\n"
    ),
    "pipes of the harness": PythonAttack(
        "import os\nfor pid in {worker, os.getppid(), 1}:\n"
        "    try: names = os.listdir(f'/proc/{pid}/fd')\n"
        "    except OSError: continue\n"
        "    raise Reached\n"
    ),
    "kill the worker": PythonAttack(
        "import os\nfor pid in {worker, os.getppid()} - {0}:\n"
        "    try: os.kill(pid, 9)\n"
        "    except OSError: pass\n"
    ),
    "kill everything": PythonAttack("import os\nos.kill(-1, 9)", (*CONTAINED, *ENDED)),
    "limits of the worker": PythonAttack(
        "import resource\n"
        "try: resource.prlimit(worker, resource.RLIMIT_NOFILE, (1, 1))\n"
        "except (OSError, ValueError): pass\nelse: raise Reached\n"
    ),
    "home folder": PythonAttack(
        "import os\nhome = os.path.expanduser('~root')\n"
        "for path in ('/root/.bashrc', '/root/.aws/credentials', '/etc/shadow'):\n"
        "    try: open(path).read()\n"
        "    except OSError: continue\n"
        "    raise Reached\n"
    ),
    "write outside": PythonAttack(
        "import os\nfor path in ('/usr/loot', '/etc/loot', '/loot', '/var/loot', '/root/loot'):\n"
        "    try: open(path, 'w')\n"
        "    except OSError: continue\n"
        "    raise Reached\n"
    ),
    "write to shared folders": PythonAttack(
        "for path in ('/tmp/cycleqd-loot', '/dev/shm/cycleqd-loot'):\n"
        "    try: open(path, 'w').write('x')\n"
        "    except OSError: pass\n"
    ),
    "become root": PythonAttack(
        _refused("os.setresuid(0, 0, 0)\nif os.getuid() == 0 and worker: os.chown('.', 1, 1)")
    ),
    "new namespace": PythonAttack(_refused("os.unshare(0x10000000)", "OSError, AttributeError")),
    "change root": PythonAttack(_refused("os.chroot('/')")),
    "fork": PythonAttack(_refused("os.fork()")),
    "new program": PythonAttack(_refused("os.execv('/bin/sh', ['sh', '-c', 'exit'])")),
    "subprocess": PythonAttack(_refused("import subprocess\nsubprocess.run(['/bin/true'])")),
    "fork bomb": PythonAttack(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n", ENDED
    ),
    "thread bomb": PythonAttack(
        "import threading, time\n"
        "for _ in range(10000): threading.Thread(target=time.sleep, args=(999,)).start()\n",
        ENDED,
    ),
    "memory bomb": PythonAttack("x = b'x' * (8 << 30)", ENDED),
    "slow memory bomb": PythonAttack("x = []\nwhile True: x.append(bytes(1 << 20))", ENDED),
    "endless loop": PythonAttack("while True: pass", ENDED),
    "endless loop that catches": PythonAttack(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass", ENDED
    ),
    "endless output": PythonAttack("import sys\nwhile True: print('x' * 1000000)\n", ENDED),
    "endless output to the pipes": PythonAttack(
        "import os\nwhile True:\n    for fd in range(20):\n"
        "        try: os.write(fd, b'x' * 65536)\n        except OSError: pass\n",
        ENDED,
    ),
    "one huge file": PythonAttack(
        "f = open('big', 'wb')\nfor _ in range(200): f.write(bytes(1 << 20)); f.flush()", ENDED
    ),
    "many files": PythonAttack(
        "i = 0\nwhile True:\n    open(f'f{i}', 'w').close(); i += 1",
        ENDED,
    ),
    "many middling files": PythonAttack(
        "import os, time\n"
        "for i in range(60):\n"
        "    open(f'f{i}', 'wb').write(os.urandom(1 << 20)); time.sleep(0.02)\n",
        ENDED,
        Limits(cpu_seconds=5, wall_seconds=30, disk_bytes=16 * MEBIBYTE),
    ),
    "file descriptors": PythonAttack(_refused("x = [open('/dev/null') for _ in range(10000)]")),
    "crash the interpreter": PythonAttack("import os\nos.abort()", ENDED),
    "close every pipe": PythonAttack("import os\nos.closerange(0, 4096)", ENDED),
    "deep recursion": PythonAttack(
        "import sys\nsys.setrecursionlimit(10**9)\n"
        "def f(): return [f()] + sorted([1], key=lambda _: f())\nf()",
        ENDED,
    ),
    "shared memory": PythonAttack(
        "from multiprocessing import shared_memory\n"
        "try: shared_memory.SharedMemory('cycleqd-loot', True, 100)\n"
        "except OSError: pass\n",
        (*CONTAINED, *ENDED),
    ),
    "shut the folder": PythonAttack("import os\nopen('x', 'w').close()\nos.chmod('.', 0)"),
    "folders too deep for paths": PythonAttack(
        "import os\nfor i in range(900): os.mkdir('d' * 200); os.chdir('d' * 200)\n"
        "os.chmod('.', 0)",
        limits=Limits(cpu_seconds=5, wall_seconds=20),
    ),
    "thousands of folders in each other": PythonAttack(
        "import os\nfor i in range(3000): os.mkdir('d'); os.chdir('d')",
        ENDED,
        Limits(cpu_seconds=5, wall_seconds=20),
    ),
    "many files too deep for paths": PythonAttack(
        "import os, time\n"
        "for i in range(25): os.mkdir('d' * 200); os.chdir('d' * 200)\n"
        "for i in range(60):\n"
        "    open(f'f{i}', 'wb').write(os.urandom(1 << 20)); time.sleep(0.02)\n",
        ENDED,
        Limits(cpu_seconds=5, wall_seconds=30, disk_bytes=16 * MEBIBYTE),
    ),
    "many files in a folder that cannot be listed": PythonAttack(
        "import os, time\n"
        "os.mkdir('d'); os.chdir('d'); os.chmod('.', 0o300)\n"
        "for i in range(60):\n"
        "    open(f'f{i}', 'wb').write(os.urandom(1 << 20)); time.sleep(0.02)\n",
        ENDED,
        Limits(cpu_seconds=5, wall_seconds=30, disk_bytes=16 * MEBIBYTE),
    ),
    "many deleted files held open": PythonAttack(
        "import os, time\n"
        "held = []\n"
        "for i in range(60):\n"
        "    held.append(open('f', 'wb', 0)); os.unlink('f')\n"
        "    held[-1].write(os.urandom(1 << 20)); time.sleep(0.02)\n",
        ENDED,
        Limits(cpu_seconds=5, wall_seconds=30, disk_bytes=16 * MEBIBYTE),
    ),
    "many deleted files held mapped": PythonAttack(
        "import mmap, os, time\n"
        "held = []\n"
        "for i in range(60):\n"
        "    with open('f', 'w+b', 0) as f:\n"
        "        os.unlink('f'); f.write(os.urandom(1 << 20))\n"
        "        held.append(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ))\n"
        "    time.sleep(0.02)\n",
        ENDED,
        Limits(cpu_seconds=5, wall_seconds=30, disk_bytes=16 * MEBIBYTE),
    ),
}

SHELL_ATTACKS = {
    "network": ShellAttack("(exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null && echo LOOT"),
    "network by a program": ShellAttack(
        'python3 -c \'import socket; socket.socket(); print("LO" + "OT")\' 2>/dev/null'
    ),
    "environment": ShellAttack("env | grep -q -e SECRET -e AWS && echo LOOT"),
    "environment of others": ShellAttack(
        "for p in WORKER $PPID 1; do cat /proc/$p/environ >/dev/null 2>&1 && echo LOOT; done"
    ),
    "home": ShellAttack(
        "cat /root/.bashrc /root/.npmrc /etc/shadow 2>/dev/null | grep -q . && echo LOOT"
    ),
    "kill the worker": ShellAttack("kill -9 WORKER 2>/dev/null && echo LOOT; kill -9 $PPID"),
    "kill the worker by its thread": ShellAttack(
        "python3 -c 'import ctypes, os; [ctypes.CDLL(None).syscall(n, WORKER, WORKER, 9)"
        ' for n in (234, 131) if (n == 234) == (os.uname().machine == "x86_64")]\''
    ),
    "kill the worker by a pipe's signal": ShellAttack(
        "python3 -c 'import fcntl, os; r, w = os.pipe()\n"
        "for command, value in ((8, WORKER), (10, 9), (4, os.O_ASYNC)):\n"
        "    try: fcntl.fcntl(r, command, value)\n"
        "    except OSError: pass\n"
        'os.write(w, b"x")\''
    ),
    "kill the worker by a device's signal": ShellAttack(
        "python3 -c 'import fcntl, os, struct, termios; r, w = os.pipe()\n"
        'try: fcntl.ioctl(r, 0x8901, struct.pack("i", WORKER))\n'
        "except OSError: pass\n"
        "for command, value in ((10, 9), (4, os.O_ASYNC)):\n"
        "    try: fcntl.fcntl(r, command, value)\n"
        "    except OSError: pass\n"
        'os.write(w, b"x")\''
    ),
    "watch what the worker does": ShellAttack(
        "python3 -c 'import ctypes; ctypes.CDLL(None).inotify_init() < 0 or print(\"LOOT\")'"
    ),
    "shared memory of System V": ShellAttack(
        "python3 -c 'import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
        "for n in range(64):\n"
        '    libc.shmat(n, None, 0); ctypes.get_errno() == 1 or print("LOOT")\n'
        'libc.shmget(0, 4096, 0o1600) < 0 or print("LOOT")\''
    ),
    "kill everything": ShellAttack("kill -9 -1", ("passed", "timeout")),
    "write outside": ShellAttack(
        "for d in / /etc /usr /var /root; do touch $d/loot 2>/dev/null && echo LOOT; done"
    ),
    "mount": ShellAttack("mount -t tmpfs x /mnt 2>/dev/null && echo LOOT"),
    "user namespace": ShellAttack("unshare -Ur id 2>/dev/null && echo LOOT"),
    "set-user-id program": ShellAttack("su -c id </dev/null 2>/dev/null && echo LOOT"),
    "fork bomb": ShellAttack(":(){ :|:& };: ; while :; do :; done", ENDED + CONTAINED),
    "memory bomb of many processes": ShellAttack(
        "for i in 1 2 3 4 5 6; do head -c 64M /dev/zero | tail -c 64M | sleep 8 & done; wait;"
        " echo LOOT",
        ("limit",),
        Limits(cpu_seconds=3, wall_seconds=20, memory_bytes=128 * MEBIBYTE),
    ),
    "endless output": ShellAttack("yes", ("limit",)),
    "endless loop": ShellAttack("while :; do :; done", ("timeout",)),
    "sleeper": ShellAttack("sleep 1000", ("timeout",)),
    "sleepers behind": ShellAttack("for i in 1 2 3 4 5; do sleep 1000 & done; wait", ("timeout",)),
    "disk": ShellAttack(
        "i=0; while [ $i -lt 40 ]; do head -c 4000000 /dev/urandom > f$i || break;"
        " sleep 0.02; i=$((i+1)); done; du -sk . | awk '$1 > 60000 {print \"LOOT\"}'",
        ("passed", "limit", "timeout"),
        Limits(cpu_seconds=3, wall_seconds=20, disk_bytes=16 * MEBIBYTE),
    ),
    "deleted files held open": ShellAttack(
        "for i in 3 4 5 6 7 8 9; do eval exec $i'>f'; rm f;"
        " head -c 4000000 /dev/urandom >&$i || exit; sleep 0.2; done; echo LOOT",
        ("passed", "limit"),
        Limits(cpu_seconds=3, wall_seconds=20, disk_bytes=16 * MEBIBYTE),
    ),
    "holding the output open": ShellAttack("setsid sleep 1000 & echo done", ("passed",)),
    "shut a folder": ShellAttack("mkdir -p d/e; touch x d/e/f; chmod a-w d/e d ."),
    "shut every folder": ShellAttack("mkdir d; touch d/x; chmod 000 d . $TMPDIR ../*"),
    "shut the folders above": ShellAttack(
        'touch x; p=$PWD; while [ "$p" != / ]; do chmod 000 "$p" 2>/dev/null; p=${p%/*}; p=${p:-/};'
        " done"
    ),
    "shut the folders above, and wait": ShellAttack(
        "touch x; chmod 000 ../../.. ../.. .. 2>/dev/null; sleep 1000",
        ("timeout",),
        Limits(cpu_seconds=1, wall_seconds=1),
    ),
    "a sticky folder": ShellAttack("mkdir d; touch d/x; chmod 1555 d .; chmod 1000 d"),
    "home becomes a link": ShellAttack("cd ..; mv home tmp/gone; ln -s / home"),
    "temporary folder becomes a link": ShellAttack("cd ..; rm -rf tmp; ln -s home tmp"),
    "home becomes a pipe": ShellAttack("cd ..; mv home gone; mkfifo home"),
    "home becomes a file": ShellAttack("cd ..; mv home gone; echo x > home; chmod 000 home"),
    "home is gone": ShellAttack("rm -rf ../home ../tmp"),
    "flags and access lists": ShellAttack(
        "mkdir d; touch x d/x; chattr +ia x d . 2>/dev/null;"
        " setfacl -m u::---,m::--- d . 2>/dev/null; chmod a-w d .; true"
    ),
    "another home": ShellAttack(
        "cd ..; mv home tmp/old; mkdir home; touch home/x; chmod 0 home tmp/old; chmod 0 tmp"
    ),
    "neighbours of home": ShellAttack("cd ..; mkdir -p home-1/x; chmod 000 home-1; touch also"),
    "hard links": ShellAttack(
        "echo x > a; mkdir d; i=0; while [ $i -lt 20 ]; do ln a d/$i;"
        " i=$((i+1)); done; chmod 000 d",
        ("passed", "timeout"),
    ),
    "names of any bytes": ShellAttack(
        "mkdir $'\\xff\\xfe' $'new\\nline' -- -rf '*'; touch $'\\xff\\xfe/\\x80' ' ' $'\\e[31m';"
        " chmod 000 $'\\xff\\xfe'"
    ),
    "as many files as it can": ShellAttack(
        "for i in 1 2 3 4; do (seq ${i}00000 ${i}99999 | xargs touch) & done; wait",
        ("passed", "limit", "timeout"),
    ),
}


def named() -> dict[str, PythonAttack | ShellAttack]:
    """All of them by language and name, for some of each language have one name."""
    python = {f"python {name}": attack for name, attack in PYTHON_ATTACKS.items()}
    return python | {f"shell {name}": attack for name, attack in SHELL_ATTACKS.items()}
