import type { LaunchSettings } from '../config.ts';

/** What is used in place of embedded servers, as the first screen tells it: title, and where it is, without names and passwords. */
export function outsideParts(
  settings: Pick<LaunchSettings, 'external' | 'temporalAddress' | 'environment'>,
): readonly (readonly [string, string])[] {
  const { external, temporalAddress, environment } = settings;
  const { TEMPORAL_PROFILE: profile } = environment;
  const temporal = temporalAddress ?? (profile === undefined ? 'the default profile' : `profile ${profile}`);
  const temporalBy =
    temporalAddress !== undefined ? 'TEMPORAL_ADDRESS' : profile === undefined ? 'TEMPORAL_CONFIG_FILE' : 'TEMPORAL_PROFILE';
  return [
    ...(external.databaseUrl === undefined ? [] : [['PostgreSQL', outside(placeOf(external.databaseUrl), 'DATABASE_URL')] as const]),
    ...(external.temporal ? [['Temporal', outside(temporal, temporalBy)] as const] : []),
    ...(external.smtpUrl === undefined
      ? []
      : [['Mail server', `${outside(placeOf(external.smtpUrl), 'SMTP_URL')}: mails really go out`] as const]),
  ];
}

function outside(place: string, setting: string): string {
  return `${place}  (outside, by ${setting})`;
}

function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname === '/' ? '' : pathname}`;
}
