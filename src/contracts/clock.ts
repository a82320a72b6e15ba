/** Business time as a dependency: leases, due rows and schedules ask it, so that tests can move it. */
export type Clock = () => Date;

export const systemClock: Clock = () => new Date();
