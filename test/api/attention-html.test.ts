import { Script, createContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { attentionHtml, Encoder, InvalidArgumentError } from "../../lib/index.js";
import { random } from "../support/random.js";

/** As much of a browser as the page uses; what is drawn is kept. */
class FakeElement {
  textContent = "";
  className = "";
  title = "";
  width = 0;
  height = 0;
  pixels: Uint8ClampedArray = new Uint8ClampedArray(0);
  readonly children: FakeElement[] = [];
  readonly listeners = new Map<string, (event: object) => void>();
  readonly style = { setProperty: () => {}, gridTemplateColumns: "" };
  append(child: FakeElement) {
    this.children.push(child);
  }
  addEventListener(type: string, listener: (event: object) => void) {
    this.listeners.set(type, listener);
  }
  getBoundingClientRect() {
    return { left: 0, top: 0, width: 100, height: 100 };
  }
  getContext() {
    return {
      createImageData: (width: number, height: number) => ({
        data: new Uint8ClampedArray(4 * width * height),
      }),
      putImageData: (image: { data: Uint8ClampedArray }) => (this.pixels = image.data),
    };
  }
}

/** Runs the page's own script. */
function open(html: string) {
  const elements = new Map<string, FakeElement>();
  const byId = (id: string) => {
    if (!elements.has(id)) elements.set(id, new FakeElement());
    return elements.get(id)!;
  };
  byId("data").textContent = /id="data">(.*?)<\/script>/s.exec(html)![1]!;
  const document = {
    getElementById: byId,
    createElement: () => new FakeElement(),
    documentElement: new FakeElement(),
  };
  const script = /<script>(.*?)<\/script>/s.exec(html)![1]!;
  new Script(script).runInContext(createContext({ document, atob, Uint8Array, JSON, Math }));
  return byId;
}

const shape = [2, 3, 4, 4];
const next = random(17);
const attentions = { data: Float32Array.from({ length: 96 }, () => next()), shape };
const tokens = ["[CLS]", "</script><b>", 'quo"te', "[SEP]"];

describe("attentionHtml", () => {
  it("draws every head, and the chosen one large", () => {
    const byId = open(attentionHtml({ tokens, attentions }));
    const maps = byId("grid").children.filter(({ pixels }) => pixels.length > 0);
    expect(maps).toHaveLength(6);
    for (const [m, { pixels }] of maps.entries()) {
      for (let i = 0; i < 16; i++) {
        const share = ((255 - pixels[4 * i]!) / 255) ** 2;
        expect(Math.abs(share - attentions.data[16 * m + i]!)).toBeLessThan(0.01);
      }
    }
    expect(byId("large").pixels).toEqual(maps[3]!.pixels);
    maps[1]!.listeners.get("click")!({});
    expect(byId("large").pixels).toEqual(maps[1]!.pixels);
    expect(byId("rows").children.map(({ textContent }) => textContent)).toEqual(tokens);
    byId("large").listeners.get("mousemove")!({ clientX: 60, clientY: 5 });
    const share = attentions.data[16 + 2]!;
    expect(byId("readout").textContent).toContain('layer 1, head 2: [CLS] looks at quo"te, about');
    const told = Number(/about ([\d.]+) %/.exec(byId("readout").textContent)![1]);
    expect(Math.abs(told - 100 * share)).toBeLessThan(1);
  });

  it("needs nothing from elsewhere, and lets no text out of its place", () => {
    const html = attentionHtml({ tokens, attentions }, { title: '<img src="x"> $& {data}' });
    expect(html).not.toMatch(/https?:|<link|<img|\ssrc="|@import|url\(/);
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).toContain("<h1>&#60;img src=&#34;x&#34;&#62; $&#38; {data}</h1>");
    open(html);
  });

  it("takes what encode returns", async () => {
    const encoder = await Encoder.load("mini-bert", { threads: 1 });
    const output = await encoder.encode("the sea", { attentions: true });
    expect(open(attentionHtml(output))("grid").children).toHaveLength(4 * 5);
    const without = await encoder.encode("the sea");
    expect(() => attentionHtml(without)).toThrow("what encode returns with attentions: true");
    await encoder.dispose();
  });

  it("refuses anything else", () => {
    const wrong = (output: unknown) => () => attentionHtml(output as never);
    expect(wrong(undefined)).toThrow(InvalidArgumentError);
    expect(wrong({ tokens: ["a"], attentions })).toThrow("for output");
    expect(wrong({ tokens, attentions: { data: attentions.data, shape: [2, 4, 4, 4] } })).toThrow(
      "for output",
    );
    expect(() => attentionHtml({ tokens, attentions }, { title: "" })).toThrow("for title");
    expect(() => attentionHtml({ tokens, attentions }, { titel: "a" } as never)).toThrow(
      "Unknown option titel of attentionHtml",
    );
  });
});
