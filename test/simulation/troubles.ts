import type { Instance } from './instance.ts';
import { recoveryMs } from './instance.ts';
import { ModelTransaction } from './model-server.ts';
import type { Schedule } from './schedule.ts';

/** Something that goes wrong for a while, or once. It ends by itself. */
type Trouble = (schedule: Schedule) => void;

/** Each with how often it is chosen among them. */
const troubles: readonly (readonly [weight: number, trouble: Trouble])[] = [
  [3, killAnInstance],
  [2, stopAnInstance],
  [2, pauseAnInstance],
  [2, restartTheDatabase],
  [2, cutAnInstanceOff],
  [1, swallowWhatAnInstanceSends],
  [2, slowTheDatabase],
  [3, lockUsers],
  [3, loseSignals],
  [2, lieAboutLogs],
  [4, breakConnections],
  [1, deleteAUser],
  [1, setTheClock],
];

/** Makes one trouble. */
export function makeTrouble(schedule: Schedule): void {
  const all = troubles.flatMap(([weight, trouble]) => Array.from({ length: weight }, () => trouble));
  schedule.world.faults += 1;
  schedule.world.some(all)(schedule);
}

function killAnInstance(schedule: Schedule): void {
  const { world } = schedule;
  const instance = schedule.anInstance();
  if (!instance) return;
  world.tell(() => `${instance.party.name}: killed`);
  instance.kill();
  schedule.remove(instance);
  world.time.plan(world.between(100, 3_000), undefined, () => schedule.addInstance());
}

function stopAnInstance(schedule: Schedule): void {
  const { world } = schedule;
  const instance = schedule.anInstance();
  if (!instance) return;
  world.tell(() => `${instance.party.name}: stops`);
  schedule.stop(instance);
  world.time.plan(world.between(100, 2_000), undefined, () => schedule.addInstance());
}

function pauseAnInstance(schedule: Schedule): void {
  const { world } = schedule;
  const instance = schedule.anInstance();
  if (!instance) return;
  const ms = world.between(200, 6_000);
  world.tell(() => `${instance.party.name}: paused for ${ms} ms`);
  world.time.pause(instance.party);
  // Whose rows it has locked stay locked until the database ends its transaction.
  schedule.keepLocked(schedule.rows(), world.time.now + Math.min(ms, 5_500) + 500);
  endIn(schedule, instance, ms, recoveryMs.cut, () => world.time.resume(instance.party));
}

function restartTheDatabase(schedule: Schedule): void {
  const { world, server, instances } = schedule;
  const ms = world.between(50, 3_000);
  world.tell(() => `database: away for ${ms} ms`);
  server.isUp = false;
  for (const instance of instances) {
    instance.database.cutAll();
    endIn(schedule, instance, ms, recoveryMs.cut, () => {});
  }
  world.time.plan(ms, undefined, () => {
    server.restart();
  });
}

function cutAnInstanceOff(schedule: Schedule): void {
  const { world } = schedule;
  const instance = schedule.anInstance();
  if (!instance) return;
  const ms = world.between(50, 3_000);
  world.tell(() => `${instance.party.name}: cut off from the database for ${ms} ms`);
  instance.database.way = 'cut';
  instance.database.cutAll();
  endIn(schedule, instance, ms, recoveryMs.cut, () => {
    instance.database.way = 'open';
  });
}

function swallowWhatAnInstanceSends(schedule: Schedule): void {
  const { world } = schedule;
  const instance = schedule.anInstance();
  if (!instance) return;
  const ms = world.between(200, 4_000);
  world.tell(() => `${instance.party.name}: its packets to the database are swallowed for ${ms} ms`);
  instance.database.way = 'black';
  schedule.keepLocked(schedule.rows(), world.time.now + 6_000);
  endIn(schedule, instance, ms, recoveryMs.black, () => {
    instance.database.way = 'open';
  });
}

function slowTheDatabase(schedule: Schedule): void {
  const { world, instances } = schedule;
  const ms = world.between(500, 4_000);
  const slowMs = world.between(20, 700);
  world.tell(() => `database: up to ${slowMs} ms slower for ${ms} ms`);
  for (const instance of instances) {
    instance.database.slowMs = slowMs;
    endIn(schedule, instance, ms, 10 * slowMs + recoveryMs.cut, () => {
      instance.database.slowMs = 0;
    });
  }
}

/** By a stranger, such as an operator in the middle of a transaction. */
function lockUsers(schedule: Schedule): void {
  const { world, server } = schedule;
  const ms = world.between(100, 6_000);
  const rows = schedule.rows().filter(() => world.chance(2));
  const stranger = new ModelTransaction(undefined, ms);
  const free = rows.filter((row) => !server.isLocked(row, stranger));
  for (const row of free) server.lock(row, stranger, () => {});
  world.tell(
    () => `a stranger: keeps ${free.map(({ id }) => id.slice(0, 4)).join(', ') || 'nobody'} locked for ${ms} ms`,
  );
  schedule.keepLocked(free, world.time.now + ms + 500);
  if (free.length > 0) schedule.strangers += 1;
  world.time.plan(ms, undefined, () => {
    server.end(stranger);
    if (free.length > 0) schedule.strangers -= 1;
  });
}

function loseSignals(schedule: Schedule): void {
  const { world, bus } = schedule;
  const instance = schedule.anInstance();
  if (!instance) return;
  const ms = world.between(100, 6_000);
  const state = world.chance(3) ? 'lossy' : 'lost';
  world.tell(() => `${instance.party.name}: its signals are ${state} for ${ms} ms`);
  bus.disturb(instance.party, state);
  world.time.plan(ms, undefined, () => bus.mend(instance.party));
}

function lieAboutLogs(schedule: Schedule): void {
  const { world, bus } = schedule;
  const { id } = world.some(schedule.rows());
  const message = world.some([
    JSON.stringify(['somebody', [[id]]]),
    JSON.stringify(['somebody', [[id, 0, 2_000_000_000]]]),
    JSON.stringify(['somebody', [[id, 0, 3_000_000_000]]]),
    JSON.stringify(['somebody', [[id, 0, 1]]]),
    'nonsense',
  ]);
  world.tell(() => `somebody: rings ${message}`);
  bus.lie(message);
}

function breakConnections(schedule: Schedule): void {
  const { world, readers } = schedule;
  for (const reader of readers) if (world.chance(2)) reader.cut();
}

function deleteAUser(schedule: Schedule): void {
  const { world, server } = schedule;
  const row = world.some(schedule.rows());
  const transaction = new ModelTransaction(undefined, 10_000);
  const isMadeAnew = world.chance(2);
  const isTold = world.chance(2);
  server.lock(row, transaction, () => {
    transaction.writes.push(() => server.removeUser(row));
    if (isMadeAnew) transaction.writes.push(() => server.addUser(row.id, row));
    server.commit(transaction);
    world.tell(() => `database: user ${row.id.slice(0, 4)} is deleted${isMadeAnew ? ' and made anew' : ''}`);
    schedule.followedBy(row, isTold);
  });
}

function setTheClock(schedule: Schedule): void {
  const { world } = schedule;
  const hours = world.some([-1, 1, 24 * 365]);
  if (hours < 0) schedule.wasClockBehind = true;
  else schedule.wasClockAhead = true;
  const ms = world.between(500, 6_000);
  world.tell(() => `database: its clock is ${hours} h off for ${ms} ms`);
  schedule.clockOffMs = hours * 3_600_000;
  world.time.plan(ms, undefined, () => {
    schedule.clockOffMs = 0;
  });
}

/** What is wrong with an instance ends, and what follows from it some time later. */
function endIn(schedule: Schedule, instance: Instance, ms: number, recovery: number, end: () => void): void {
  const { world } = schedule;
  const { party } = instance;
  party.troubledUntil = Math.max(party.troubledUntil, world.time.now + ms + recovery);
  world.time.plan(ms, undefined, end);
}
