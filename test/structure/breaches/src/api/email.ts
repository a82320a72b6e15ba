import { Router } from 'express';
import { emailInput } from '../contracts/email.ts';
import type { EmailStore } from '../store/email.ts';
import { problem } from './lib/errors.ts';

export function emailRoutes(context: { store: EmailStore }): Router {
  const router = Router();
  router.post('/emails', (request, response) => {
    const parsed = emailInput.safeParse(request.body);
    if (!parsed.success) return problem(response);
    response.status(202).json({ id: context.store.add(parsed.data) });
  });
  return router;
}
