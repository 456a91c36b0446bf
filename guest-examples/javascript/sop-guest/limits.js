/**
 * The limits of this kit. Those of the engine are in the documentation of `sop:engine/transactions`.
 */

/**
 * How often `transact` runs its body before it gives up with `Conflict`. There is no clock to wait by in a
 * plugin; the host, which has one, runs a plugin that ended in a conflict again after a pause.
 */
export const TRIES_MAX = 16;
/** How often a commit of unknown outcome is asked for before the caller is told that it is unknown. */
export const OUTCOME_TRIES_MAX = 8;
/** Keys of one `getMany`, items of one `putMany`: longer lists go in several calls. */
export const BATCH_ITEMS_MAX = 4_096;
/** Items that an iteration asks for first; each later batch is twice as large. */
export const BATCH_ITEMS_FIRST = 16;
/** Items that an iteration asks for at most at a time. */
export const BATCH_ITEMS_LAST = 1_024;
