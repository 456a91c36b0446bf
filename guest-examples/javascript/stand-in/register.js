/** `node --import` of this file makes `sop:engine/…` the database in memory. */

import { register } from 'node:module';

register('./resolve.js', import.meta.url);
