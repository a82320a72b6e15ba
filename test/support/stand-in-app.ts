// Stands in for the API process in the supervisor's tests: listens, says that it is ready, and ends with its supervisor.
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';

process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));

const { HOST, PORT, API_KEY_FILE } = process.env;
if (API_KEY_FILE !== undefined) writeFileSync(API_KEY_FILE, 'ns_stand_in\n');

const server = createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ path: request.url, environment: process.env }));
});
server.listen({ host: HOST, port: Number(PORT) }, () => process.send?.({ type: 'ready' }));
