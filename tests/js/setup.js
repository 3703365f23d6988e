// What browsers have and Node 18 (Debian 12's) keeps to itself.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
