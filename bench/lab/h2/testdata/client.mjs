// A client of node:http2. Standard input has {url, exchanges}, and standard output gets an answer
// for each, or an error.
import { createHash } from 'node:crypto'
import http2 from 'node:http2'
import { text } from 'node:stream/consumers'

const { url, exchanges } = JSON.parse(await text(process.stdin))
const session = http2.connect(url, {
  rejectUnauthorized: false,
  servername: 'localhost',
  settings: { enablePush: false },
  maxSessionMemory: 100 // MB; a body that is still to be sent counts
})
await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject))

const pattern = (size) => '0123456789abcdef'.repeat(size / 16 + 1).slice(0, size)

const ask = (e) => new Promise((resolve) => {
  const headers = { ':method': e.method, ':path': e.path, ':authority': 'localhost' }
  if (e.upload >= 0 && e.sized) headers['content-length'] = e.upload
  const answer = { status: 0, size: 0, digest: '', interim: [], trailers: {} }
  const hash = createHash('sha256')
  const stream = session.request(headers, { endStream: e.upload < 0 })
  stream.on('headers', (h) => answer.interim.push(h[':status']))
  stream.on('response', (h) => { answer.status = h[':status'] })
  stream.on('trailers', (h) => {
    for (const name of Object.keys(h)) answer.trailers[name] = String(h[name])
  })
  stream.on('data', (part) => {
    answer.size += part.length
    hash.update(part)
  })
  stream.on('error', (err) => resolve({ error: String(err) }))
  stream.on('close', () => resolve({ ...answer, digest: hash.digest('hex') }))
  if (e.upload >= 0) stream.end(pattern(e.upload))
})

const answers = []
for (const e of exchanges) answers.push(await ask(e))
session.close()
console.log(JSON.stringify(answers))
