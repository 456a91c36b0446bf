/**
 * The export of a plugin.
 *
 *     export const run = jsonPlugin(work);
 */

import { Conflict, RequestInvalid, SopError } from './errors.js';
import { parse, stringify } from './json.js';
import * as utf8 from './utf8.js';

/**
 * Makes a function from bytes to bytes the export of a plugin.
 *
 * A `Conflict` lets the host run the plugin again from its start, as long as none of its transactions has
 * committed; any other error ends the run, and its text is the caller's answer. One that is not of the kit is
 * a defect of the plugin: its text comes with its stack.
 *
 * @param {(request: Uint8Array) => Uint8Array} work
 * @returns {(request: Uint8Array) => Uint8Array}
 */
export function plugin(work) {
  return (request) => {
    try {
      return work(request);
    } catch (error) {
      if (error instanceof Conflict) throw runError({ tag: 'conflict' });
      throw runError({ tag: 'failed', val: error instanceof SopError ? error.message : described(error) });
    }
  };
}

/**
 * Makes a function from and to what JSON can say the export of a plugin. An empty request is null. A bigint
 * in the response is written as the number that it is.
 *
 * @param {(request: any) => any} work
 * @returns {(request: Uint8Array) => Uint8Array}
 */
export function jsonPlugin(work) {
  return plugin((request) => utf8.encoded(stringify(work(request.length ? understood(request) : null))));
}

function understood(request) {
  try {
    return parse(request);
  } catch (reason) {
    throw new RequestInvalid(reason.message);
  }
}

/** How the bindings want the error of the export. */
function runError(payload) {
  return Object.assign(new Error(payload.tag), { payload });
}

function described(error) {
  return error instanceof Error
    ? `${error.name}: ${error.message}\n${error.stack ?? ''}`.trimEnd()
    : String(error);
}
