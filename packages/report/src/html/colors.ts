import type { PhaseName } from '@exuvia/contract';

/**
 * One colour a phase, for a light and for a dark page alike. Blue: taking the VMs down; orange: the kernel;
 * green: userland; violet: bringing the VMs back. Neighbours differ in lightness too, so that they can be
 * told apart without seeing hues; numbers in bar and legend say the same without any colour.
 */
export const PHASE_COLORS: Readonly<Record<PhaseName, { readonly fill: string; readonly ink: string }>> = {
  'VM suspend': { fill: '#a9cdec', ink: '#10222f' },
  'VM save': { fill: '#5b9bd0', ink: '#0b1a26' },
  'QEMU shutdown': { fill: '#2b6397', ink: '#ffffff' },
  'userland shutdown': { fill: '#8cc5ae', ink: '#10231b' },
  'kernel shutdown': { fill: '#f4b572', ink: '#2b1a05' },
  'kernel startup': { fill: '#dd7a35', ink: '#261002' },
  'userland startup': { fill: '#4a9b7e', ink: '#06140e' },
  'QEMU startup': { fill: '#c5b2ea', ink: '#1d1333' },
  'VM restore': { fill: '#9377cf', ink: '#120a24' },
  'VM resume': { fill: '#64499f', ink: '#ffffff' },
};
