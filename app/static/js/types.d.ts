// What travels between the page and its server, and between Gradio and the page's scripts. app/parts/view.py,
// clip_view.py and looks.py say what each part means.

/** What Gradio hands to `js_on_load` of a gr.HTML. */
export interface Given {
  element: HTMLElement;
  props: { value: any };
  trigger(event: string, data?: object): void;
  watch(name: string, f: () => void): void;
  /** The component's server functions: one text in, one object out; undefined where the server did not answer. */
  server: Record<string, (told: string) => Promise<any>>;
  upload(file: File): Promise<{ path: string }>;
}

/** A file is ready, or a sentence says why there is none. */
export type Saved = (file: { url: string; orig_name: string } | null, failure?: { text: string } | null) => void;

/** What every question has; the rest differs. */
export interface Question {
  visitor: string;
  seq: number;
  [name: string]: any;
}

/** What every payload of a stream has. */
export interface Told {
  seq: number;
  working?: string | null;
  progress?: [number, number] | null;
  /** The rest waits for the slow queue. */
  more?: boolean;
  error?: { where: string; text: string };
}

export interface Model {
  name: string;
  title: string;
  weights: string;
  sha256: string | null;
  labels: string;
  label_set: string;
  classes: number;
  size: [number, number];
  parameters: number;
  /** Of a backbone that reads texts: the classes that were typed, "" without. */
  typed?: string;
}

export interface Pair {
  proposal: Model;
  backbone: Model;
}

/** [k, confidence, low, high, kept answer, [[class, p], ...], ratio?] */
export type PackedPoint = [number, number, number, number, number | null, [number, number][], number?];

export interface Point {
  /** Patches kept. */
  k: number;
  confidence: number;
  low: number;
  high: number;
  /** null without an answer. */
  kept: boolean | null;
  top: [number, number][];
  /** Which a ConvNeXt or Swin took stage by stage; null of a point by count, as those of a curve are. */
  ratio: number | null;
}

/** A map over a grid of patches. */
export interface Ranked {
  low: number;
  high: number;
  map: number[];
  /** Patches, the most significant first. */
  order: number[];
}

export interface Method extends Ranked {
  name: string;
  title: string;
  kind: "papr" | "cam" | "library" | "oracle" | "control" | "own" | "choice" | string;
  about: string | null;
  draws: number;
  refused: string | null;
  waiting: string | null;
  explains: string | null;
  /** The method that it equals by construction, but for negative values. */
  like?: string | null;
  seconds: number | null;
  constant: boolean;
  fewest: number | null;
  /** Under its curves, the best patches first and the worst first; null of what has no order of patches. */
  areas?: [number, number | null] | null;
  complete: boolean;
  points: PackedPoint[];
  /** Rows and columns of the whole picture made smaller, ascending: of the method that does that instead. */
  sizes?: [number, number][];
}

/** Compare's (view.py). */
export interface Answer extends Told {
  key: string;
  picture: { id: string; name: string; crop: string; src: string | null; fit: string; stretch: boolean; lost: number };
  grid: [number, number];
  patches: number;
  prefix: number;
  models: Pair;
  measure: "confidence" | "cosine";
  by_stage: boolean;
  target: { index: number; label: string; chosen: boolean } | null;
  explain: { mode: string; index: number; label: string; asked: string };
  /** The ConvNet's own answer; agrees: null where it knows no such class. */
  looks: { label: string; confidence: number; agrees: boolean | null };
  /** Billions of multiply-accumulates: the ConvNet's, and the backbone's at evenly spaced keep ratios up to 1. */
  saving: { proposal: number; pruned: number[] } | null;
  labels: Record<number, string>;
  full: { index: number | null; confidence: number; top: [number, number][] };
  methods: Method[];
  notes: string[];
}

/** What the visitor has set on Compare. */
export interface View {
  percent: number;
  proposal: string;
  backbone: string;
  target: number | null;
  explain: string;
  /** How the picture comes to the backbone's shape: crop, pad or squash. */
  fit: string;
  /** 16 bits over all that eight can show. */
  stretch: boolean;
  /** Typed, divided by semicolons, of a backbone that reads texts; "" for its own. */
  classes: string;
  /** Areas with the worst patches first too. */
  worst: boolean;
  /** What a card shows: kept, map or difference. */
  show: string;
  methods: string[];
  look: string;
  opacity: number;
  colours: string;
  scale: "own" | "shared" | "raw" | string;
  /** Patches chosen by hand. */
  hand: number[];
  [name: string]: any;
}

/** Of a clip (clip_view.py); what is not known yet is not there. */
/** What one method makes of a clip, as far as it has come. */
export interface ClipPart {
  method?: Ranked & { name: string; title: string; about: string; draws: number; id: string; explains: string | null; seconds: number; constant: boolean };
  so_far?: { full?: SoFar; pruned?: SoFar };
  answer?: {
    count: number;
    confidence: number;
    low: number;
    high: number;
    kept: boolean;
    /** Whether the target is the top answer. */
    first: boolean;
    top: [string, number][];
    seconds: number;
    gmacs: number;
    /** In each sampled frame: the label of all patches, of those kept, and whether they are the same class. */
    frames: [string, string | null, boolean][] | null;
  };
  masked?: string | null;
  notes?: string[];
}

export interface ClipAnswer extends Told, ClipPart {
  clip: { id: string; name: string; codec: string; width: number; height: number; seconds: number; frames: number; exact: boolean };
  footage: string;
  times: number[];
  fps: number;
  grid: [number, number, number];
  patches: number;
  prefix: number;
  models: Pair;
  early?: { map: number[]; low: number; high: number };
  target?: { index: number; label: string; chosen: boolean };
  full?: { index: number; label: string; confidence: number; seconds: number; gmacs: number; top: [string, number][] };
  /** The same by the second method. */
  beside?: ClipPart;
}

interface SoFar {
  frames: number;
  top: [string, number][];
}

export interface ClipView {
  clip: string;
  percent: number;
  method: string;
  /** Another method, or "". */
  beside: string;
  proposal: string;
  backbone: string;
  target: number | null;
  explain: string;
  look: string;
  opacity: number;
  show: "kept" | "map";
  colours: string;
  [name: string]: any;
}

/** A row of Proposals (looks.py). */
export interface Look extends Ranked, Model {
  control: boolean;
  refused?: string;
  gmacs: number;
  parameters: number;
  label: string;
  confidence: number;
}

export interface Looks extends Told {
  picture: string;
  backbone: string;
  rows: Look[];
}

/** Learn's features of a ConvNet (lesson.py). */
export interface Lesson {
  key: string;
  channels: number;
  size: [number, number];
  /** The channels that are shown, and their maps. */
  shown: number[];
  maps: number[][];
  /** How many channels are in each mean, and the means. */
  steps: number[];
  means: number[][];
  /** The sorted values at each place. */
  quantiles: number[][];
  answer: { label: string; confidence: number; agrees: boolean };
}

/** A line of a chart: shares from 0 to 1, low and high where there is a band. */
export interface Line {
  name: string;
  title: string;
  points: number[][];
}

/** An evaluation over many pictures, in Learn. */
export interface EvaluationSet {
  title: string;
  about: string;
  pair: [string, string];
  proposal_top1: number | null;
  keeps: number[];
  findings: Record<string, { text: string; state?: string }>;
  subsets: Record<string, Subset>;
}

export interface Subset {
  title: string;
  n: number;
  full: number[] | null;
  lines: { name: string; points: number[][] }[];
  differences: Record<string, number[][]>;
}

/** One backbone pruned by several ConvNets, in Learn; a value stands with its interval, [value, low, high], by ratio. */
export interface ConvNets {
  backbone: string;
  n: number;
  keeps: string[];
  subsets: Record<string, string>;
  methods: string[];
  rows: { title: string; parameters: number; right: number | null; subsets: Record<string, ComparedSubset> }[];
}

export interface ComparedSubset {
  n: number;
  top1: Record<string, Record<string, number[]>>;
  less: Record<string, Record<string, number[]>>;
}

/** What a configuration costs (papr_core.cost.estimate). */
export interface Cost {
  title: string;
  backbone: string;
  proposal: string | null;
  keep: number;
  kept: number;
  patches: number;
  reduction: string | null;
  gmacs_full: number;
  gmacs_backbone: number;
  gmacs_proposal: number;
  gmacs_pruned: number;
  about: string | null;
}

export interface PaperRow {
  table: number;
  backbone: string;
  proposal: string | null;
  input: string;
  keep: number;
  printed_keep: number | null;
  tome_r: number;
  tome_layers: string;
  paper_gmacs: number | null;
  gmacs: number;
  difference_percent: number;
  paper_top1: number | null;
  paper_images_per_second: number | null;
  note: string;
}

export interface QuotedRow {
  table: number;
  backbone: string;
  method: string;
  paper_gmacs: number | null;
  paper_top1: number | null;
  paper_images_per_second: number | null;
  note: string;
}

/** A model's crop of a picture: its bytes, row by row, RGB; size: rows and columns. */
export interface Crop {
  bytes: Uint8Array;
  size: [number, number];
}

/** A picture whose numbers are computed in the browser. */
export interface Picture extends Crop {
  /** As in an answer. */
  crop: string;
  /** Of methods of several draws: each draw's patches, the most significant first. */
  orders: Record<string, number[][]>;
}

/** The exported networks in this browser (runtime.js). */
export interface Runtime {
  /** The backbone's answer to these patches of a crop, and how long it took. */
  sees(crop: Crop, kept: number[]): Promise<{ logits: Float32Array; ms: number }>;
  /** The proposal's, and its maps on the patch grid one after another; explained: a class, or below 0 its own answer. */
  looks(crop: Crop, explained: number): Promise<{ logits: Float32Array; significance: Float32Array; ms: number }>;
  close(): void;
}

/** What the page says of its runtime (app/runtime.py). */
export interface Exported {
  /** The folder's. */
  address: string;
  proposal: { name: string; title: string; sha256: string };
  backbone: { name: string; title: string; sha256: string };
  /** Of each file, as it is fetched. */
  bytes: Record<string, number>;
}

/** What the static folder holds beside scripts and networks (app/static_folder.py). */
export interface Site {
  /** crop: the address of the model's own crop, bytes; shown: of the same for the eye. */
  examples: (import("./files").Example & { crop: string; shown: string })[];
  grid: [number, number];
  patches: number;
  prefix: number;
  models: Pair;
  saving: Answer["saving"];
  many: any[];
  /**
   * What is known of each method before any picture; of controls also map and order. made: of which of the proposal's maps
   * it is, and times what; explains: whether it explains a class.
   */
  methods: (Omit<Method, "explains"> & { made?: [number, number]; explains?: boolean })[];
  orders: Record<string, number[][]>;
  /** Of the shorter side of a picture, what the crop shows. */
  crop_pct: number;
  /** The counts at which the curves stand. */
  curve: { coarse: number[]; fine: number[] };
  view: View;
  /** Of the files that are fetched. */
  bytes: Record<string, number>;
}

/** A webcam's picture (live.py). */
export interface Live {
  grid: [number, number];
  prefix: number;
  order: number[];
  top: [string, number][];
  full: [string, number][];
  seconds: number;
  fullSeconds: number;
}

/** The clips beside each other (clip_player.js). */
export interface Player {
  state: { frame: number; playing: boolean; wanted: boolean };
  panes: { video: HTMLVideoElement; canvas: HTMLCanvasElement }[];
  rewind(): void;
  play(): void;
  /** wanted: it goes on by itself when it can be seen again. */
  pause(wanted?: boolean): void;
  show(frame: number): void;
}

/** Speeds on this machine (papr_core.bench). */
export interface Measured {
  backbone: string;
  proposal: string | null;
  batch_size: number;
  dtype: string;
  threads: number;
  machine: string;
  torch: string;
  pixel_share: number | null;
  reduction: string | null;
  rows: {
    measured: string;
    keep: number;
    n: number;
    plain_images_per_second: number;
    pruned_images_per_second: number;
    speedup: number;
    speedup_low: number;
    speedup_high: number;
    promised: number | null;
  }[];
}

/** What pruning is worth by batch (`papr bench --map --json`), with titles and sentences (speed.py). */
export interface SpeedMap {
  titles: { backbone: string; proposal: string };
  keep: number[];
  batches: number[];
  /** A row a batch, a column a keep ratio. */
  speedup: number[][];
  /** The ends of the rounds' middle half. */
  speedup_low: number[][];
  speedup_high: number[][];
  plain_images_per_second: number[];
  looking: number[];
  reading: number[];
  says: string[];
  /** The way to the batches that are not there. */
  rest: string | null;
  rounds: number[];
  dtype: string;
  threads: number;
  machine: string;
  torch: string;
  day: string;
  load: number | null;
}

/** Cascades as they ship (cascades.py). */
export interface Cascades {
  n: number[];
  thens: [string, string][];
  convnets: { name: string; title: string; right: number | null; thens: Record<string, Cascade> }[];
}

export interface Cascade {
  alone: number;
  gmacs: number;
  full: number;
  /** The threshold of `says`. */
  chosen: number;
  /** [t, answered early %, top-1 %, its ends, GMACs] */
  curve: number[][];
  says: string;
}
