#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail from programs other people wrote: smtplib, curl, swaks, msmtp, Postfix's smtp-source.

Method: each sends a message with dots, 8-bit octets and long lines; what
ringpost-spool gives back must be what was sent, octet for octet (or, where the
client makes up the message, what the client says it sent). smtp-source comes out
of its Debian package by dpkg -x: Postfix itself is neither installed nor started.
"""
import email.message
import os
import shutil
import smtplib
import subprocess
import threading

import harness

HEAD = b"From: <a@example.org>\r\nTo: <b@example.com>\r\nSubject: a test\r\n\r\n"
BODY = (HEAD + b".\r\n..\r\n.a\r\n...\r\nGr\xc3\xbc\xc3\x9fe " + bytes(range(128, 256)) + b"\r\n"
        + b"x" * 990 + b"\r\n\r\n.\r\n")
SMTP_SOURCE = "usr/sbin/smtp-source"


def run(arguments, octets=b"", **options):
    done = subprocess.run(arguments, input=octets, stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.STDOUT, timeout=60, **options)
    if done.returncode != 0:
        raise AssertionError(f"{arguments[0]}: status {done.returncode}: "
                             f"{done.stdout.decode(errors='replace')}")
    return done.stdout


def find_smtp_source():
    """(path of smtp-source, environment to run it in), or (None, why not)."""
    cache = os.path.join(harness.BUILD, "cache", "postfix")
    program = os.path.join(cache, SMTP_SOURCE)
    if not os.path.exists(program):
        os.makedirs(cache, exist_ok=True)
        for command in (["apt-get", "download", "postfix"],
                        ["sh", "-c", "dpkg -x postfix_*.deb ."]):
            done = subprocess.run(command, cwd=cache, capture_output=True, timeout=120, check=False,
                                  stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                return None, f"{' '.join(command)}: {done.stderr.decode().strip()[-200:]}"
    libraries = os.path.join(cache, "usr/lib/postfix")
    return program, {**os.environ, "LD_LIBRARY_PATH": libraries, "MAIL_CONFIG": cache}


class Smtplib(harness.Case):
    def test_bodies_and_envelope(self):
        daemon = self.start()
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as client:
            client.sendmail("a@example.org", ["b@example.com", "c@example.com"], BODY,
                            mail_options=["BODY=8BITMIME"])
            client.sendmail("", "b@example.com", HEAD + b"bounce\r\n")
        rows = daemon.spool.ls()
        self.assertEqual([(row["sender"], row["recipients"]) for row in rows], [
            ("a@example.org", ["b@example.com", "c@example.com"]), ("", ["b@example.com"])])
        self.assertEqual(daemon.spool.cat(rows[0]["id"]), BODY)
        self.assertEqual(daemon.spool.cat(rows[1]["id"]), HEAD + b"bounce\r\n")

    def test_utf8_addresses(self):
        daemon = self.start()
        message = email.message.EmailMessage()
        message["From"] = "grüße@example.org"
        message["To"] = "用户@例子.example"
        message["Subject"] = "καλημέρα"
        message.set_content("zażółć\n")
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as client:
            client.send_message(message)
        row, = daemon.spool.ls()
        self.assertEqual(row["sender"], "grüße@example.org")
        self.assertEqual(row["recipients"], ["用户@例子.example"])

    def test_refused_recipient(self):
        daemon = self.start({"limits.recipients": "1"})
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as client:
            refused = client.sendmail("a@example.org", ["b@example.com", "c@example.com"], BODY)
        self.assertEqual(list(refused), ["c@example.com"])
        self.assertEqual(refused["c@example.com"][0], 452)
        self.assertEqual(daemon.spool.ls()[0]["recipients"], ["b@example.com"])

    def test_too_big(self):
        daemon = self.start({"limits.message_size": "1kb"})
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as client:
            with self.assertRaises(smtplib.SMTPSenderRefused) as caught:
                client.sendmail("a@example.org", "b@example.com", BODY)
            self.assertEqual(caught.exception.smtp_code, 552)

    def test_many_at_once(self):
        """Twenty clients, ten messages each: all there, each exactly once."""
        daemon = self.start()
        bodies = {b"%d of %d\r\n" % (number, owner) for owner in range(20) for number in range(10)}
        failures = []

        def work(owner):
            try:
                with smtplib.SMTP("127.0.0.1", daemon.port, timeout=60) as client:
                    for number in range(10):
                        client.sendmail(f"{owner}@example.org", "b@example.com",
                                        b"%d of %d\r\n" % (number, owner))
            except (OSError, smtplib.SMTPException) as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(owner,)) for owner in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        ids = daemon.spool.ids()
        self.assertEqual(len(set(ids)), 200)
        self.assertEqual({daemon.spool.cat(ident) for ident in ids}, bodies)


class Commands(harness.Case):
    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"no {program} here")

    def write(self, octets):
        path = os.path.join(self.work, "message")
        with open(path, "wb") as stream:
            stream.write(octets)
        return path

    def only(self, daemon):
        row, = daemon.spool.ls()
        return row, daemon.spool.cat(row["id"])

    def test_curl(self):
        self.need("curl")
        daemon = self.start()
        run(["curl", "-sS", "--max-time", "30", f"smtp://127.0.0.1:{daemon.port}/client.example",
             "--mail-from", "a@example.org", "--mail-rcpt", "b@example.com",
             "--mail-rcpt", "c@example.com", "--upload-file", self.write(BODY)])
        row, body = self.only(daemon)
        self.assertEqual(row["recipients"], ["b@example.com", "c@example.com"])
        self.assertEqual(body, BODY)
        self.assertEqual(daemon.spool.show(row["id"])["helo"], "client.example")

    def test_curl_5_mib(self):
        self.need("curl")
        daemon = self.start()
        body = HEAD + b"".join(b".%075d\r\n" % number for number in range(68000))
        run(["curl", "-sS", "--max-time", "50", f"smtp://127.0.0.1:{daemon.port}",
             "--mail-from", "a@example.org", "--mail-rcpt", "b@example.com",
             "--upload-file", self.write(body)])
        self.assertEqual(self.only(daemon)[1], body)

    def test_swaks(self):
        self.need("swaks")
        daemon = self.start()
        text = (HEAD + b".\r\n..dots\r\nlast\r\n").replace(b"\r\n", b"\n")
        run(["swaks", "--server", f"127.0.0.1:{daemon.port}", "--from", "a@example.org",
             "--to", "b@example.com", "--helo", "swaks.example", "--data", "@" + self.write(text),
             "--hide-all"])
        _, body = self.only(daemon)
        # swaks ends a message with an empty line of its own.
        wanted = text.replace(b"\n", b"\r\n")
        self.assertIn(body, (wanted, wanted + b"\r\n"))

    def test_swaks_pipelined(self):
        self.need("swaks")
        daemon = self.start()
        output = run(["swaks", "--server", f"127.0.0.1:{daemon.port}", "--from", "a@example.org",
                      "--to", "b@example.com,c@example.com", "--helo", "swaks.example",
                      "--pipeline"])
        self.assertIn(b"250 2.0.0 OK queued as ", output)
        row, body = self.only(daemon)
        self.assertEqual(row["recipients"], ["b@example.com", "c@example.com"])
        self.assertIn(b"X-Mailer: swaks", body)

    def test_msmtp(self):
        self.need("msmtp")
        daemon = self.start()
        text = (HEAD + b".\r\n..\r\n" + "Grüße\r\n".encode()).replace(b"\r\n", b"\n")
        run(["msmtp", "--host=127.0.0.1", f"--port={daemon.port}", "--from=a@example.org",
             "--tls=off", "--auth=off", "--domain=msmtp.example", "--file=/dev/null",
             "--add-missing-date-header=off", "--add-missing-from-header=off", "b@example.com"],
            text)
        _, body = self.only(daemon)
        # msmtp adds headers of its own in front; what follows them is the message.
        wanted = text.replace(b"\n", b"\r\n")
        self.assertTrue(body.endswith(wanted.split(b"\r\n\r\n", 1)[1]), body)
        self.assertIn(b"Subject: a test\r\n", body)


class SmtpSource(harness.Case):
    def run_source(self, daemon, *arguments):
        program, environment = find_smtp_source()
        if program is None:
            self.skipTest(environment)
        run([program, *arguments, f"127.0.0.1:{daemon.port}"], env=environment)

    def test_file(self):
        """A message file of LF lines, sent with CRLF and stuffed, and an empty line at the end."""
        daemon = self.start()
        text = (HEAD + b".\r\n..x\r\n.\r\nlast\r\n").replace(b"\r\n", b"\n")
        path = os.path.join(self.work, "message")
        with open(path, "wb") as stream:
            stream.write(text)
        self.run_source(daemon, "-m", "30", "-s", "3", "-F", path, "-f", "a@example.org",
                        "-t", "b@example.com")
        ids = daemon.spool.ids()
        self.assertEqual(len(set(ids)), 30)
        for ident in ids:
            self.assertEqual(daemon.spool.cat(ident), text.replace(b"\n", b"\r\n") + b"\r\n")

    def test_load(self):
        """3,000 messages of 10 KiB over 50 connections, one connection a message."""
        daemon = self.start()
        count = 500 if harness.IS_SANITIZED else 3000
        self.run_source(daemon, "-m", str(count), "-s", "50", "-l", "10240", "-d",
                        "-f", "a@example.org", "-t", "b@example.com")
        self.run_source(daemon, "-m", "200", "-s", "50", "-l", "1024",
                        "-f", "a@example.org", "-t", "b@example.com")
        rows = daemon.spool.ls()
        self.assertEqual(len({row["id"] for row in rows}), count + 200)
        daemon.spool.verify()


if __name__ == "__main__":
    harness.main()
