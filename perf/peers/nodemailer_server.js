// SPDX-License-Identifier: GPL-3.0-or-later
// nodemailer's smtp-server on 127.0.0.1: PORT
const { SMTPServer } = require('smtp-server');

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  size: 64 << 20,
  maxClients: 100000,
  logger: false,
  onData(stream, session, done) {
    stream.on('end', done);
    stream.resume();
  },
});
server.on('error', () => {}); // a client that goes away is no end of the server
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 1024 });
