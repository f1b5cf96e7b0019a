#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-spool show: the whole envelope, by name.

Goal: each item that was written is printed once, in text and in JSON, what is unknown in
hexadecimal. Method: a message with every item there is, one with items from the future,
and the fixed ones.
"""
import os
import struct
import unittest

import spool_case
from spool_case import START_NS, Message, Spool, SpoolCase, damage_body, item

EXTRA = b"".join([
    item(spool_case.RECIPIENT_PARAMS, b"NOTIFY=NEVER ORCPT=rfc822;x@y"),
    item(spool_case.SENDER_PARAMS, b"SIZE=100 BODY=8BITMIME"),
    item(spool_case.LISTENER, b"127.0.0.1:2525"),
    item(spool_case.BODY_TYPE, b"\1"), item(spool_case.SMTPUTF8),
    item(spool_case.ARRIVAL_NS, struct.pack("<Q", START_NS - 1_000_000_000)),
    item(spool_case.TLS_VERSION, b"TLSv1.3"), item(spool_case.TLS_CIPHER, b"AES128"),
    item(spool_case.AUTH_IDENTITY, b"user"),
    item(4711, b"\0\1\xfe"), item(4711), item(spool_case.CLIENT_PORT, b"\1"),
])


class Show(SpoolCase):
    def make(self):
        spool = Spool(os.path.join(self.work, "spool"))
        message = spool.add(Message(b"body", extra=EXTRA))
        spool.commit()
        spool.end()
        return spool.path, message

    def test_text(self):
        path, message = self.make()
        lines = self.good("show", path, message.id).decode().splitlines()
        self.assertEqual([tuple(line.split(maxsplit=1)) for line in lines], [
            ("id", message.id), ("time", "2026-01-02T03:04:05.678Z"), ("size", "4"),
            ("lane", "0"), ("segment", "1"), ("sequence", "0"),
            ("client", "192.0.2.7"), ("client_port", "40123"), ("helo", "client.example"),
            ("protocol", "ESMTP"), ("sender", "sender@example.org"),
            ("recipient", "rcpt@example.net"),
            ("recipient_params", "NOTIFY=NEVER ORCPT=rfc822;x@y"),
            ("sender_params", "SIZE=100 BODY=8BITMIME"), ("listener", "127.0.0.1:2525"),
            ("body_type", "8BITMIME"), ("smtputf8", "yes"),
            ("arrival", "2026-01-02T03:04:04.678Z"), ("tls_version", "TLSv1.3"),
            ("tls_cipher", "AES128"), ("auth_identity", "user"), ("tag-4711", "0001fe"),
            ("tag-4711",), ("tag-2", "01")])

    def test_json(self):
        path, message = self.make()
        self.assertEqual(self.objects("show", path, message.id), [{
            "id": message.id, "time": "2026-01-02T03:04:05.678Z", "size": 4, "lane": 0,
            "segment": 1, "sequence": 0, "client": "192.0.2.7", "client_port": 40123,
            "helo": "client.example", "protocol": "ESMTP", "sender": "sender@example.org",
            "recipients": [{"address": "rcpt@example.net",
                            "params": "NOTIFY=NEVER ORCPT=rfc822;x@y"}],
            "sender_params": "SIZE=100 BODY=8BITMIME", "listener": "127.0.0.1:2525",
            "body_type": "8BITMIME", "smtputf8": True, "arrival": "2026-01-02T03:04:04.678Z",
            "tls_version": "TLSv1.3", "tls_cipher": "AES128", "auth_identity": "user",
            "tag-4711": ["0001fe", ""], "tag-2": ["01"]}])

    def test_fixed(self):
        for message in self.messages:
            shown, = self.objects("show", self.dir, message.id)
            self.assertEqual(shown["id"], message.id)
            self.assertEqual(shown["lane"], message.lane)
            self.assertEqual(len(shown["recipients"]), len(message.recipients))
            self.assertEqual("big_id" in shown, message.is_big)
            text = self.good("show", self.dir, message.id).decode()
            self.assertEqual(text.count("\nrecipient "), len(message.recipients))

    def test_damaged(self):
        copy = self.copy_spool()
        damage_body(copy, self.messages[5])
        for more in ([], ["--json"]):
            self.assertEqual(self.bad(1, f"message {self.messages[5].id} is damaged", "show", copy,
                                      self.messages[5].id, *more), b"")


if __name__ == "__main__":
    unittest.main()
