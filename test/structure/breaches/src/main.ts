import { startPostgres } from './embedded/postgres.ts';
import { server } from './server.ts';

console.log(server);
startPostgres();
