import { describe, expect, test } from 'vitest';
import { type Deferrable, Pressure, type PressureState } from '../../src/gate/pressure.ts';

const limits = {
  strainLagMs: 500,
  overloadLagMs: 1_000,
  strainMemoryPercent: 85,
  overloadMemoryPercent: 93,
  strainLastsMs: 1_000,
};
const all: readonly Deferrable[] = ['stream', 'anonymous', 'costly'];

/** A process whose timer comes when the test says so, 100 ms after the last time and so much too late. */
function watched() {
  let now = 1_000_000;
  let memory = 0;
  const told: PressureState[] = [];
  const pressure = new Pressure({
    limits,
    clock: () => now,
    memory: () => memory,
    onChange: (state) => told.push(state),
  });
  function look(lateMs = 0): void {
    now += 100 + lateMs;
    pressure.look();
  }
  return {
    pressure,
    told,
    look,
    refused: () => all.filter((what) => pressure.refuses(what)),
    wait(ms: number) {
      now += ms;
    },
    /** Memory is looked at every second. */
    fill(percent: number) {
      memory = percent;
      for (let looks = 0; looks < 10; looks += 1) look();
    },
  };
}

describe('a server that keeps up', () => {
  test('refuses nothing', () => {
    const { look, refused, told } = watched();
    for (let looks = 0; looks < 100; looks += 1) look(499);
    expect(refused()).toEqual([]);
    expect(told).toEqual([]);
  });
});

describe('a server whose event loop is late', () => {
  test('by half a second takes no new streams, and nothing else is put off', () => {
    const { look, refused } = watched();
    look(500);
    expect(refused()).toEqual(['stream']);
  });

  test('by a second takes nobody without a credential and nothing costly', () => {
    const { look, refused } = watched();
    look(999);
    expect(refused()).toEqual(['stream']);
    look(1_000);
    expect(refused()).toEqual(all);
  });

  test('is known to be so before the timer comes', () => {
    const { wait, refused } = watched();
    wait(599);
    expect(refused()).toEqual([]);
    wait(1);
    expect(refused()).toEqual(['stream']);
    wait(500);
    expect(refused()).toEqual(all);
  });

  test('is calm again a second after the last sign, step by step, and says so once each', () => {
    const { look, refused, told } = watched();
    look(1_000);
    for (let looks = 0; looks < 5; looks += 1) look();
    look(500);
    expect(refused()).toEqual(['stream']);
    for (let looks = 0; looks < 9; looks += 1) look();
    expect(refused()).toEqual(['stream']);
    look();
    expect(refused()).toEqual([]);
    expect(told).toEqual(['overloaded', 'strained', 'calm']);
  });
});

describe('a server whose memory is short', () => {
  test('puts off the same, at the bounds', () => {
    const { fill, refused } = watched();
    fill(84.9);
    expect(refused()).toEqual([]);
    fill(85);
    expect(refused()).toEqual(['stream']);
    fill(93);
    expect(refused()).toEqual(all);
    fill(50);
    fill(50);
    expect(refused()).toEqual([]);
  });
});

test('the memory of this process is measured', () => {
  const measured = new Pressure({ limits: { ...limits, strainMemoryPercent: 0.001 }, clock: () => 0 });
  measured.look();
  measured.look();
  expect(measured.refuses('stream')).toBe(true);
});
