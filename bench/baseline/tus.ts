// The usual tus server of npm, with files in a folder, without checksums: what uploads are compared with.
import { createServer } from 'node:http';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';

const [folder = ''] = process.argv.slice(2);
const tus = new Server({ path: '/uploads', datastore: new FileStore({ directory: folder }) });
const server = createServer((request, response) => void tus.handle(request, response));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/uploads`);
});
