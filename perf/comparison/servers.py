# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that are compared: what each is, how it is started, whether it is there."""
import dataclasses
import os
import shlex
import shutil

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "perf", "peers")

OURS, FLOOR, PEER, GIVEN = "ours", "floor", "peer", "given"


@dataclasses.dataclass(frozen=True)
class Server:
    """One row. The command's {build}, {port}, {dir}, {log_size} are filled in at the start."""
    name: str
    title: str
    command: tuple
    kind: str
    keeps: bool  # what it says itself; what is measured counts where it can be
    files: tuple = ()  # each of them in the packages' directory or on the system
    programs: tuple = ()
    needs_root: bool = False


def peer(name, title, keeps, files, **more):
    script = more.pop("script", name)
    return Server(name, title, (os.path.join(PEERS, script), "{port}", "{dir}",
                                *more.pop("arguments", ())),
                  PEER, keeps, files, **more)


def floor(name, title, *options):
    log = ("--log", "{dir}/log", "--log-size", "{log_size}", *options) if options else ()
    return Server(name, title, ("{build}/perf/floor", "{port}", *log), FLOOR, bool(options))


SERVERS = (
    Server("ringpostd", "ringpostd, one worker, its defaults otherwise",
           ("{build}/engine/ringpostd", "-l", "127.0.0.1:{port}", "-s", "{dir}/spool",
            "--set", "workers=1", "--set", "log.level=warning"), OURS, True),
    floor("floor", "the floor: io_uring, canned replies, nothing kept"),
    floor("floor-log", "the floor with a log: one write and fdatasync for a group of messages",
          "--commit", "fdatasync"),
    floor("floor-log-direct", "the same with O_DIRECT", "--commit", "fdatasync", "--direct"),
    peer("smtp-sink", "Postfix's smtp-sink, which keeps nothing", False,
         ("usr/sbin/smtp-sink",)),
    peer("postfix", "Postfix: smtpd, cleanup, the queue; messages held", True,
         ("usr/lib/postfix/sbin/master",), needs_root=True),
    peer("opensmtpd", "OpenSMTPD: its queue; delivery paused", True,
         ("usr/sbin/smtpd", "usr/sbin/smtpctl"), needs_root=True),
    peer("exim", "Exim: its queue; messages stay there", True,
         ("usr/sbin/exim4",), needs_root=True),
    peer("aiosmtpd-sink", "aiosmtpd's Sink, which keeps nothing", False,
         ("usr/lib/python3/dist-packages/aiosmtpd",), script="aiosmtpd", arguments=("sink",)),
    peer("aiosmtpd-maildir", "aiosmtpd's Mailbox: a Maildir", True,
         ("usr/lib/python3/dist-packages/aiosmtpd",), script="aiosmtpd", arguments=("maildir",)),
    peer("haraka", "Haraka with its discard queue", False,
         ("npm/node_modules/Haraka",), programs=("node",)),
    peer("nodemailer", "nodemailer's smtp-server, which keeps nothing", False,
         ("npm/node_modules/smtp-server",), programs=("node",)),
)
BY_NAME = {server.name: server for server in SERVERS}


def given(text):
    """A server of the command line: NAME=COMMAND."""
    name, equals, command = text.partition("=")
    if not equals or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise ValueError(f"{text!r}: write NAME=COMMAND, with {{port}} and {{dir}} in COMMAND")
    if "{port}" not in command:
        raise ValueError(f"{text!r}: its command has no {{port}}, so nobody can find it")
    return Server(name, command, tuple(shlex.split(command)), GIVEN, True)


def fill(command, **values):
    """Only the known names: other braces of a command stay."""
    filled = []
    for word in command:
        for name, value in values.items():
            word = word.replace("{" + name + "}", str(value))
        filled.append(word)
    return filled


def find(name, packages):
    """Where a file of a peer's package is, or None."""
    for root in (packages, "/"):
        path = os.path.join(root, name)
        if os.path.exists(path):
            return path
    return None


def how_to_get(server):
    """What a person can do about a server that is not there."""
    if server.kind == PEER:
        package = os.path.basename(server.command[0])
        return f"perf/peers/get {'postfix' if package == 'smtp-sink' else package}"
    if server.kind in (OURS, FLOOR):
        return "meson setup build && ninja -C build"
    return "see its command"


def why_not(server, build, packages):
    """None if the server can be started, else the reason."""
    if server.kind in (OURS, FLOOR):
        program = fill(server.command[:1], build=build)[0]
        return None if os.access(program, os.X_OK) else f"{program} is not built"
    if server.kind == GIVEN:
        program = fill(server.command[:1], build=build)[0]
        return None if shutil.which(program) else f"{program} is not there"
    for program in server.programs:
        if shutil.which(program) is None:
            return f"the program {program} is missing"
    for name in server.files:
        if find(name, packages) is None:
            return "it is not installed"
    if server.needs_root and os.geteuid() != 0:
        return "it needs root: users and paths of its own, in a mount namespace"
    return None


def choose(text):
    """The servers of --peers: ours and the floors always, then those named, or all."""
    always = [server for server in SERVERS if server.kind in (OURS, FLOOR)]
    peers = [server for server in SERVERS if server.kind == PEER]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return always + peers
    if names in ([], ["none"]):
        return always
    known = {server.name: server for server in peers}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no peer {name!r}; there are {', '.join(known)}, "
                             "and all or none")
    return always + [known[name] for name in dict.fromkeys(names)]
