import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PATH = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run'];

/** For tests that need a real browser: why they are skipped, or false. */
export const NO_BROWSER = PATH === undefined ? 'there is no Chromium on this machine' : false;

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: PATH ?? '', args: FLAGS });
}
