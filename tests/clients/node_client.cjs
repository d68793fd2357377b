// Clients of Node.js with their defaults: node node_client.cjs LIBRARY ADDRESS
// With a keepalive time in ms as third argument, with the fix of exporter/remedies/clients.yml.
const readline = require('node:readline');

const [library, address, time] = process.argv.slice(2);
const fix = (options) => (time ? options : {});

function get(module, agent, port) {
  return new Promise((resolve, reject) => {
    const request = module.get({host: address, port, path: '/', agent, rejectUnauthorized: false},
      (response) => response.resume().on('end', resolve).on('error', reject));
    request.on('error', reject);
  });
}

if (['undici', 'pg', 'ioredis'].includes(library)) require(library);

const makers = {
  http: () => {
    const http = require('node:http');
    const agent = new http.Agent({keepAlive: true, ...fix({keepAliveMsecs: Number(time)})});
    return () => get(http, agent, 80);
  },
  https: () => {
    const https = require('node:https');
    const agent = new https.Agent({keepAlive: true});
    return () => get(https, agent, 443);
  },
  undici: () => {
    const {Agent, request} = require('undici');
    const connect = {keepAlive: true, keepAliveInitialDelay: Number(time)};
    const options = fix({dispatcher: new Agent({connect})});
    return async () => (await request(`http://${address}/`, options)).body.dump();
  },
  pg: () => {
    const {Pool} = require('pg');
    const keepalive = fix({keepAlive: true, keepAliveInitialDelayMillis: Number(time)});
    const pool = new Pool({host: address, user: 'postgres', max: 1, ...keepalive});
    pool.on('error', () => {});
    return () => pool.query('select 1');
  },
  ioredis: () => {
    const Redis = require('ioredis');
    const redis = new Redis({host: address, ...fix({keepAlive: Number(time)})});
    redis.on('error', () => {});
    return () => redis.ping();
  },
};

let use;
let last = Promise.resolve();
console.log('ready');
readline.createInterface({input: process.stdin})
  .on('line', () => {
    last = last.then(() => (use ??= makers[library]())()).then(() => console.log('ok'),
      (error) => console.log(`error ${error.code ?? error.name}`));
  })
  .on('close', () => last.then(() => process.exit()));
