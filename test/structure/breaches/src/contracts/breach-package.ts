import { Router } from 'express';

export const breach = Router;
