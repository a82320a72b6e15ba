import { Router } from 'express';

export type Breach = Router;
