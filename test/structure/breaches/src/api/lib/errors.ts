import type { Response } from 'express';

export function problem(response: Response): void {
  response.status(400).end();
}
