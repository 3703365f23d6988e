// The page's one global, and what look.py writes before boot.js.
declare var papr: { ready?: Promise<any>; [name: string]: any };
declare const MAIN: string;
