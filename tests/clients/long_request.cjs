// A request whose answer takes long: node long_request.cjs LIBRARY URL FIX
// FIX is code from docs/long-requests.md, or empty.
const readline = require('node:readline');

const [library, url, fix] = process.argv.slice(2);
const TIMEOUT = 14000;

const makers = {
  http: () => {
    const http = require('node:http');
    const keepalive = fix ? new Function(`${fix}; return keepalive`)() : (request) => request;
    return () => new Promise((resolve, reject) => {
      const request = http.request(url, {agent: new http.Agent(), timeout: TIMEOUT},
        (response) => response.resume().on('end', resolve).on('error', reject));
      request.on('timeout', () => request.destroy(new Error('timeout'))).on('error', reject);
      keepalive(request).end();
    });
  },
  undici: () => {
    const {request} = require('undici');
    const dispatcher = fix ? new Function('require', `${fix}; return dispatcher`)(require) : undefined;
    const signal = AbortSignal.timeout(TIMEOUT);
    return async () => (await request(url, {dispatcher, signal})).body.dump();
  },
};

const use = makers[library]();
console.log('ready');
readline.createInterface({input: process.stdin})
  .on('line', () => use().then(() => console.log('ok'),
    (error) => console.log(`error ${error.message}`)))
  .on('close', () => process.exit());
