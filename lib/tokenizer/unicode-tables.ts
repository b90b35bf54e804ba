/**
 * What the reference tokenizers believe of each code point, found by asking them for all of them: their parts
 * were built against different versions of Unicode, and Node's own tables change with its version.
 * Written by test/tokenizer/generate-unicode-tables.mjs; read by unicode.ts.
 *
 * A set is a list of ranges in base 36: code points skipped since the end of the last range, length - 1.
 */

/** Removed by the BERT normalizer's text cleaning, besides U+FFFD. */
export const OTHER =
  "0 8 2 1 1 h 2n w d 0 11u 5 m 0 5c 0 1d 0 3cu 0 1ks 4 q 4 1d 4 1 9 11u8 4xr 16n 0 6x 2 3b5 0 xya 3 " +
  "43z 7 h406 0 u 2n 1egw 1ekd 2 1ekd";

/** Removed by the BERT normalizer's accent stripping, after NFD. */
export const NONSPACING_MARK =
  "lc 33 7n 4 7d 18 1 0 1 1 1 1 1 0 20 a 1c k g 0 2t 6 2 5 2 1 1 3 z 0 u q 2j a 1m 8 y 3 1 8 1 2 1 4 17 " +
  "2 3r v 1j 0 1 0 4 7 4 0 3 6 a 1 t 0 1m 0 4 3 8 0 k 1 t 1 1l 0 4 1 4 1 2 2 3 0 u 1 3 0 b 1 1l 0 4 4 1 " +
  "1 4 0 k 1 t 0 1m 0 2 0 1 3 8 0 8 0 b 1 u 0 1p 0 c 0 1e 0 1p 2 5 2 1 3 7 1 b 1 t 0 1m 0 2 0 6 0 5 1 k " +
  "1 t 0 1r 3 8 0 k 1 2u 0 7 2 1 0 2i 0 2 6 c 7 2q 0 2 5 1 1 b 5 22 1 r 0 1 0 1 0 1j d 1 4 1 1 5 a 1 z " +
  "9 0 2u 3 1 5 1 1 2 1 p 1 4 2 g 3 d 0 2 1 6 0 f 0 jj 2 qa 2 t 2 t 1 u 1 1s 1 1 6 8 0 2 a 9 0 19 2 4b " +
  "0 3a 2 4 1 9 0 6 2 63 1 2 0 1m 0 1 6 1 0 1 0 2 7 6 9 2 0 1c d 1u 3 1c 0 1 4 1 0 5 0 14 8 c 1 w 3 2 1 " +
  "1 2 1k 0 1 1 3 0 1 2 1m 7 2 1 48 2 1 c 1 6 4 0 6 0 3 1 5i 1h 6 3 k0 c 4 0 3 b 2da 2 3x 0 2o v fe 3 " +
  "2z 1 n9w 0 4 9 w 1 28 1 7k 0 3 0 4 0 p 1 4d 0 r h 1g 7 p a 1a 2 1c 0 2 3 2 0 14 0 1v 5 2 1 2 1 c 0 8 " +
  "0 1b 0 1f 0 1 2 2 1 5 1 1 0 16 1 8 0 6m 0 2 0 4 0 fn4 0 kh f g f r1 0 6a 0 45 4 1ae 2 1 1 5 3 14 2 4 " +
  "0 4l 1 10a 0 1i e 1k 2 1d 3 2 1 1x 2 10 4 1 7 1q 0 c 1 1g 8 b 2 2q 2 2 0 1 1 4n 0 3 7 l 1 1m 0 3 0 " +
  "11 6 3 4 8u 5 1 0 4 1 1 1 6m 3 6 1 1 1 r 1 2d 7 2 0 1 1 2y 0 1 0 2 5 1 0 2t 2 2 3 1 4 gjo 4 1n 6 uw " +
  "3 f7u 1 43s 2 h 7 2 6 u 3 44 2 1iz 1i 4 1d 8 0 e 0 m 4 1 e 2sg 6 gzl5 6n";

/** Removed by the StripAccents normalizer. */
export const COMBINING_MARK =
  "lc 33 7n 6 7b 18 1 0 1 1 1 1 1 0 20 a 1c k g 0 2t 6 2 5 2 1 1 3 z 0 u q 2j a 1m 8 y 3 1 8 1 2 1 4 17 " +
  "2 3c d 1 w 1i 2 1 h 1 6 a 1 t 2 1k 0 1 6 2 1 2 2 9 0 a 1 t 2 1k 0 1 4 4 1 2 2 3 0 u 1 3 0 b 2 1k 0 1 " +
  "7 1 2 1 2 k 1 t 2 1k 0 1 6 2 1 2 2 8 1 a 1 u 0 1n 4 3 2 1 3 9 0 14 3 1m 6 1 2 1 3 7 1 b 1 t 2 1k 0 1 " +
  "6 1 2 1 3 7 1 b 1 t 2 1m 6 1 2 1 3 9 0 a 1 u 1 1y 0 4 5 1 0 1 7 i 1 1p 0 2 6 c 7 2q 0 2 5 1 1 b 5 22 " +
  "1 r 0 1 0 1 0 4 1 1d j 1 1 5 a 1 z 9 0 2s j n 3 4 2 1 2 2 6 3 3 d b 1 0 a 3 jj 2 qa 2 t 2 t 1 u 1 1s " +
  "v 9 0 19 2 3b 1 y 0 3a b 4 b 63 4 1l 9 1 s 2 0 1c e 1t 4 1b g 12 8 c 2 u c 1k d 1c j 48 2 1 k 4 0 4 " +
  "2 3 1 5i 1h 5 4 k0 w 2da 2 3x 0 2o v fe 5 2x 1 n9w 3 1 9 w 1 28 1 7k 0 3 0 4 0 n 4 2g 1 1e h q h 1g " +
  "7 p c 18 3 1b d 10 0 1v d c 0 8 1 19 2 1e 0 1 2 2 1 5 1 1 0 15 4 5 1 6k 7 1 1 fn4 0 kh f g f r1 0 6a " +
  "0 45 4 1ae 2 1 1 5 3 14 2 4 0 4l 1 109 2 1h e 1k 3 19 a 1x 2 10 d 1q 0 c 2 1c d 9 2 2n b 6 0 4g b l " +
  "3 1k 0 1 6 2 1 2 2 9 0 a 1 2 6 3 4 5c h 2x j 6j 6 2 8 r 1 2a g 2y c 2t e zn 7 1 7 2a l 1 d fg9 4 1n " +
  "6 t6 19 g 3 f7u 1 43q 4 3 5 8 7 2 6 u 3 44 2 1iz 1i 4 1d 8 0 e 0 m 4 1 e 11s 6 1 g 2 6 1 1 1 4 1ph 6 " +
  "31 6 gzhx 6n";

/** Punctuation of the BERT and Punctuation pre-tokenizers. */
export const PUNCTUATION =
  "x e a 6 q 5 q 3 y 0 5 0 3 0 a 1 3 0 3 0 ji 0 8 0 cy 5 15 1 1f 0 1 0 2 0 2 0 18 1 k 1 1 1 d 0 2 1 22 " +
  "3 2u 0 17 d 6h 2 1i e v 0 79 1 a 0 an 0 lf 0 2i 0 a 1 4o e 1 0 11 3 1z 0 22 4 4 1 33 5 4r 0 h0 8 47 " +
  "0 h8 1 18 1 26 2 1z 1 4d 2 1 2 11 a 8p 1 60 1 3k 6 1 5 4s 6 4b 3 1n 4 1q 1 1s 7 b 0 n0 n 8 j 1 c 1 b " +
  "u 1 e 1 hl 3 t 1 u5 d 27 1 v 9 b7 l 1r 3 w 1 l7 3 1 1 34 0 3z 1a 1 i ce 2 4 9 2 b g 0 c 0 2q 0 2i 0 " +
  "mwy 1 7h 2 2r 0 a 0 37 5 ak 3 2e 1 14 2 1 0 1d 1 1b 0 2p c g 1 3g 3 3i 1 g 1 6x 0 g2a 1 5s 9 m y 1 d " +
  "1 0 4 0 1 1 45 2 1 5 1 3 a 1 3 1 q 2 1 0 r 0 1 0 1 6 be 2 ik 0 1c 0 bi 0 kn 0 5j 0 v 0 7k 8 12 0 34 " +
  "6 1u 6 2h 3 x6 6 31 1 1 3 3i 3 1c 1 27 4 3 0 d 0 1 2 2g 5 2z 0 f0 0 6y m 2x 2 6w 2 2lt 4 dtl 1 3p 0 " +
  "1t 4 8 0 g2i 0 5wn 4";

/** `\p{L}` of the byte-level pre-tokenizer's pattern. */
export const LETTER =
  "1t p 6 p 1b 0 a 0 4 0 5 m 1 u 1 cp 4 b e 4 7 0 1 0 3l 4 1 1 2 3 1 0 6 0 1 2 1 0 1 j 1 2a 1 3u 8 4l 1 " +
  "11 2 0 6 14 1z q 4 3 19 16 z 1 1 2q 1 0 f 1 7 1 a 2 2 0 g 0 1 t t 2g b 0 o w 9 1 4 0 5 l 4 0 9 0 3 0 " +
  "n o 7 a 5 n 1 5 h 15 1m 1h 3 0 i 0 7 9 f f 4 7 2 1 2 l 1 6 1 0 3 3 3 0 g 0 d 1 1 2 e 1 a 0 8 5 4 1 2 " +
  "l 1 6 1 1 1 1 1 1 v 3 1 0 j 2 g 8 1 2 1 l 1 6 1 1 1 4 3 0 i 0 f 1 n 0 b 7 2 1 2 l 1 6 1 1 1 4 3 0 u " +
  "1 1 2 f 0 h 0 1 5 3 2 1 3 3 1 1 0 1 1 3 1 3 2 3 b m 0 1g 7 1 2 1 m 1 f 3 0 q 2 2 0 2 1 u 0 4 7 1 2 1 " +
  "m 1 9 1 4 3 0 v 1 1 1 f 1 h 8 1 2 1 14 2 0 g 0 5 2 8 2 o 5 5 h 3 n 1 8 1 0 2 6 1m 1b 1 1 c 6 1m 1 1 " +
  "0 1 4 1 n 1 0 1 9 1 1 9 0 2 4 1 0 l 3 w 0 1r 7 1 z r 4 37 16 k 0 g 5 4 3 3 0 3 1 7 2 4 c c 0 h 11 1 " +
  "0 5 0 2 16 1 98 1 3 2 6 1 0 1 3 2 14 1 3 2 w 1 3 2 6 1 0 1 3 2 e 1 1k 1 3 2 1u 11 f g 2d 2 5 3 h7 2 " +
  "g 1 p 5 22 6 7 7 h d i e h e c 1 2 f 1f z 0 4 0 1v 2g 7 4 2 x 1 0 5 1x a u 1d t 2 4 b 17 4 p 1i m 9 " +
  "1g 2a 0 2l 1a h 7 1i t d 1 a 17 q z 15 2 a z 2 a 5 16 2 2 15 3 1 5 1 1 3 0 5 5b 1s 7p 2 5 2 11 2 5 2 " +
  "7 1 0 1 0 1 0 1 u 2 1g 1 6 1 0 3 2 1 6 3 3 2 5 4 c 5 2 1 6 38 0 d 0 g c 2t 0 4 0 2 9 1 0 3 4 6 0 1 0 " +
  "1 0 1 3 1 a 2 3 5 4 4 0 1g 1 22j 6c 6 3 3 1 c 11 1 0 5 0 2 1j 7 0 g m 9 6 1 6 1 6 1 6 1 6 1 6 1 6 1 " +
  "6 28 0 d1 1 16 4 5 1 4 2d 6 2 1 2h 1 3 5 16 1 2l h v 1c f e8 533 1s h3g 1v 19 2 7g 3 f a 1 k 1a g u " +
  "2 1x 1d 8 2 2u 2 1u 2 1 1 0 1 7 l f 1 2 1 3 1 m t 1f e 1d 1q 5 3 0 1 1 b r a m p s 7 1a s 0 g 4 1 9 " +
  "a 4 1 14 n 2 1 7 k m 3 0 3 1d 1 0 3 1 2 4 2 0 1 0 o 2 2 a 7 2 c 5 2 5 2 5 9 6 1 6 1 16 1 d 6 36 t " +
  "8mb c m 4 1c 6is a5 2 2x 12 6 c 4 5 0 1 9 1 c 1 4 1 0 1 1 1 1 1 2z x a2 i 1r 2 1h 14 b 38 4 1 3q 10 " +
  "p 6 p b 2g 3 5 2 5 2 5 2 2 z b 1 p 1 i 1 1 1 e 2 d y 3e at s 3 1c 1b v d j 1 7 6 11 a t 2 z 4 7 1c " +
  "4d i z 4 z 4 13 8 1f c a 1 e 1 6 1 1 1 a 1 e 1 6 1 1 3 1f c 8m 9 l a 7 o 5 1 15 1 8 1x 5 2 0 1 17 1 " +
  "1 3 0 2 m a m 9 u 1t i 1 1 a l a p 1y 1j 6 1 1s 0 f 3 1 2 1 s 16 s 3 s z 7 1 r r 1h a l a i d h 32 " +
  "20 1j 1e d 1e d z 12 r 9 m 6y 15 6 1 g 2 1n s a 0 8 l 16 h 1a k r m c 1g 1l 1 2 0 d 18 w o q z t 0 2 " +
  "0 8 y 3 0 c 1b e 3 l 0 1 0 z h 1 o j 1 1r 6 1 0 1 3 1 e 1 9 7 1a 12 7 2 1 2 l 1 6 1 1 1 4 3 0 i 0 c " +
  "4 u 9 1 0 2 0 1 11 1 0 p 0 1 0 18 1g i 3 k 2 u 1b k 1 1 0 54 1a 15 3 10 1b k 0 1n 16 d 0 1z q 11 6 " +
  "55 17 38 1r v 7 2 0 2 7 1 1 1 n f 0 1 0 2m 7 2 12 g 0 1 0 s 0 a 13 7 0 l 0 b 19 j 0 i 20 5j w v 8 1 " +
  "10 h 0 1d t 34 6 1 1 1 11 l 0 p 5 1 1 1 v e 0 93 i f 0 1 c 1 x 3g 0 27 pl 6e 5f 218 2o f tr h 5 p " +
  "32y 5 g6 5a1 t 1cy fs 7 u h 26 h t i 1b g 3 v k 5 i c0 18 5v 1r 3k 22 5 0 1u c 1s 1 1 0 s 4qf 8 yd " +
  "15 9 6w7 3 1 6 1 1 1 82 f 0 t 2 2 0 e 3 8 az 1s4 2y 5 c 3 8 7 9 4me 2c 1 1y 1 1 2 0 2 1 2 3 1 b 1 0 " +
  "1 6 1 1s 1 3 2 7 1 6 1 r 1 3 1 4 1 0 3 6 1 9f 2 o 1 o 1 u 1 o 1 u 1 o 1 u 1 o 1 u 1 o 1 7 1f8 u 6 5 " +
  "79 1p 42 18 a 6 g 0 8x t i 17 dg r 6c t 2 0 dr 6 1 3 1 1 1 e 1 5g 1n 1v 7 0 xg 3 1 q 1 1 1 0 2 0 1 9 " +
  "1 3 1 0 1 0 6 0 4 0 1 0 1 0 1 2 1 1 1 0 2 0 1 0 1 0 1 0 1 0 1 1 1 0 2 3 1 6 1 3 1 3 1 0 1 9 1 g 5 2 " +
  "1 4 1 g 3es wyn w 37d 6 65 2 4g1 e 5rk f h9 1wi f1 15u 3t6 5 38f";

/** `\p{N}` of the byte-level pre-tokenizer's pattern. */
export const NUMBER =
  "1c 9 3c 1 5 0 2 2 141 9 3q 9 5i 9 bg 9 3a 9 4 5 30 9 3a 9 3a 9 2 5 32 c 37 9 8 6 2v 9 2w 6 7 i 31 9 " +
  "2o 9 3a 9 1y j 7g 9 1y 9 jz j oh 2 6n 9 6 9 m 9 8c 9 3k a 4l 9 6 9 52 9 2e 9 3q 9 6 9 t2 0 3 5 6 9 " +
  "5i 1e 2 4 k6 1n 26 l hi t 12h 0 ll 0 p 8 e 2 9j 3 3u 9 u 7 1 e w 9 13 e msg 9 58 9 8w 5 4a 9 12 9 5i " +
  "9 m 9 2e 9 ba 9 geu 9 dp 18 c 1k h 1 9h q 10 3 t 0 8 0 3q 4 5m 9 q6 7 p 6 13 8 23 4 m 5 4g 1 2 f 2 " +
  "19 1s 8 1g 1 u 2 23 4 2w 7 o 7 15 6 96 5 1c 9 6 9 7q u 4e 9 16 3 34 6 3q t 3k 9 1o 9 40 9 7 j 6z 9 " +
  "9i 9 3a 9 ae 9 2u 9 6 j 24 b bo i 2l 9 ie 9 2e s 6b 9 1y 9 bq 9 2u k tn 32 c01 9 1t2 9 2e 9 3q 9 1 6 " +
  "em 9 7a m imx 9 152 j c j 30 o ut 1d 1ts 9 bq 9 dy 9 6v 9 jw 8 3k 9 lz 1m 1 2 1 3 24 18 1 e qq c 25f " +
  "9";

/** Digits pre-tokenizer. */
export const NUMERIC =
  "1c 9 3c 1 5 0 2 2 141 9 3q 9 5i 9 bg 9 3a 9 4 5 30 9 3a 9 3a 9 2 5 32 c 37 9 8 6 2v 9 2w 6 7 i 31 9 " +
  "2o 9 3a 9 1y j 7g 9 1y 9 jz j oh 2 6n 9 6 9 m 9 8c 9 3k a 4l 9 6 9 52 9 2e 9 3q 9 6 9 t2 0 3 5 6 9 " +
  "5i 1e 2 4 k6 1n 26 l hi t 12h 0 ll 0 p 8 e 2 9j 3 3u 9 u 7 1 e w 9 13 e msg 9 58 9 8w 5 4a 9 12 9 5i " +
  "9 m 9 2e 9 ba 9 geu 9 dp 18 c 1k h 1 9h q 10 3 t 0 8 0 3q 4 5m 9 q6 7 p 6 13 8 23 4 m 5 4g 1 2 f 2 " +
  "19 1s 8 1g 1 u 2 23 4 2w 7 o 7 15 6 96 5 1c 9 6 9 7q u 4e 9 16 3 34 6 3q t 3k 9 1o 9 40 9 7 j 6z 9 " +
  "9i 9 3a 9 ae 9 2u 9 6 j 24 b bo i 2l 9 ie 9 2e s 6b 9 1y 9 1i 9 9y 9 2u k tn 32 c01 9 1t2 9 2e 9 3q " +
  "9 1 6 em 9 7a m 9p 2 id5 9 152 j c j 30 o ut 1d 1ts 9 bq 9 dy 9 6v 9 jw 8 3k 9 lz 1m 1 2 1 3 24 18 1 " +
  "e qq c 25f 9";

/** `\w` of the Whitespace pre-tokenizer and of single-word added tokens. */
export const WORD =
  "1c 9 7 p 4 0 1 p 1b 0 a 0 4 0 5 m 1 u 1 cp 4 b e 4 7 0 1 0 h 38 1 1 2 3 1 0 6 0 1 2 1 0 1 j 1 2a 1 " +
  "3u 1 4s 1 11 2 0 6 14 8 18 1 0 1 1 1 1 1 0 8 q 4 3 t a 5 21 4 2t 1 7 2 9 1 i 2 0 g 1m 2 2s e 1h 4 0 " +
  "2 0 2 19 i r 4 a 5 n 1 5 8 22 1 3k 2 9 1 i 1 7 2 1 2 l 1 6 1 0 3 3 2 8 2 1 2 3 8 0 4 1 1 4 2 b a 0 1 " +
  "0 2 2 1 5 4 1 2 l 1 6 1 1 1 1 1 1 2 0 1 4 4 1 2 2 3 0 7 3 1 0 7 f b 2 1 8 1 2 1 l 1 6 1 1 1 4 2 9 1 " +
  "2 1 2 2 0 f 3 2 9 9 6 1 2 1 7 2 1 2 l 1 6 1 1 1 4 2 8 2 1 2 2 7 2 4 1 1 4 2 9 1 0 g 1 1 5 3 2 1 3 3 " +
  "1 1 0 1 1 3 1 3 2 3 b 4 4 3 2 1 3 2 0 6 0 e 9 g c 1 2 1 m 1 f 2 8 1 2 1 3 7 1 1 2 2 0 2 3 2 9 g 3 1 " +
  "7 1 2 1 m 1 9 1 4 2 8 1 2 1 3 7 1 6 1 1 3 2 9 1 2 c c 1 2 1 1e 1 2 1 4 5 3 7 4 2 9 a 5 1 2 1 h 3 n 1 " +
  "8 1 0 2 6 3 0 4 5 1 0 1 7 6 9 2 1 d 1l 5 e 1 9 13 1 1 0 1 4 1 n 1 0 1 m 2 4 1 0 1 6 1 9 2 3 w 0 n 1 " +
  "6 9 b 0 1 0 1 0 4 9 1 z 4 j 1 h 1 z 9 0 1l 21 6 25 2 11 1 0 5 0 2 16 1 98 1 3 2 6 1 0 1 3 2 14 1 3 2 " +
  "w 1 3 2 6 1 0 1 3 2 e 1 1k 1 3 2 1u 2 2 w f g 2d 2 5 3 h7 2 g 1 p 5 22 3 a 7 l 9 l b j c c 1 2 1 1 c " +
  "2b 3 0 4 1 2 9 x 2 1 a 6 2g 7 16 5 1x a u 1 b 4 b a 13 2 4 b 17 4 p 6 9 12 r 4 1q 1 s 2 a 6 9 d 0 8 " +
  "u 1d 24 3 9 h 8 c 37 c 1j 8 9 3 1c 2 a 5 16 2 2 g 2 1 12 5 et 2 5 2 11 2 5 2 7 1 0 1 0 1 0 1 u 2 1g " +
  "1 6 1 0 3 2 1 6 3 3 2 5 4 c 5 2 1 6 f 1 1d 1 j 0 s 0 d 0 g c 1f w h 0 4 0 2 9 1 0 3 4 6 0 1 0 1 0 1 " +
  "3 1 a 2 3 5 4 4 0 h 14 ml 1f 1ee 6c 6 8 c 11 1 0 5 0 2 1j 7 0 f n 9 6 1 6 1 6 1 6 1 6 1 6 1 6 1 6 1 " +
  "v 1b 0 d1 2 p e 1 4 2 4 4 2d 2 1 2 2 1 2h 1 3 5 16 1 2l h v 1c f e8 533 1s h3g 1v 19 2 7g 3 r k 1e 1 " +
  "9 1 36 11 8 2 2u 2 1u 2 1 1 0 1 7 l 1h 4 0 j 1f c 1x a 9 6 n 3 0 1 1c 2 z c s 3 1s e a 6 u 1 1i 9 d " +
  "2 9 6 m 3 20 o 2 2 f 2 4 a 5 2 5 2 5 9 6 1 6 1 16 1 d 6 3e 1 1 2 9 6 8mb c m 4 1c 6is a5 2 2x 12 6 c " +
  "4 5 b 1 c 1 4 1 0 1 1 1 1 1 2z x a2 i 1r 2 1h 14 b 4 f g f 3 1 o 2 w 4 1 3q j 9 7 p 4 0 1 p b 2g 3 5 " +
  "2 5 2 5 2 2 z b 1 p 1 i 1 1 1 e 2 d y 3e 1x 1g 3s 0 3m s 3 1c f 0 v v d t 5 16 5 t 2 z 4 7 1 4 16 4d " +
  "2 9 6 z 4 z 4 13 8 1f c a 1 e 1 6 1 1 1 a 1 e 1 6 1 1 3 1f c 8m 9 l a 7 o 5 1 15 1 8 1x 5 2 0 1 17 1 " +
  "1 3 0 2 m a m 9 u 1t i 1 1 a l a p 1y 1j 6 1 1s 3 1 1 5 7 1 2 1 s 2 2 4 0 w s 3 s z 7 1 t p 1h a l a " +
  "i d h 32 20 1j 1e d 1e d 13 8 9 6 11 3 4 1 m 6y 15 1 1 3 1 g 2 1j w a 0 8 w v l 16 k r m 9 1y v f 9 " +
  "1n 7 0 d o 7 9 6 1g 1 9 4 3 8 z 2 0 9 1w 4 3 1 c 1 0 z h 1 10 6 3 1q 6 1 0 1 3 1 e 1 9 7 1m 5 9 6 3 " +
  "1 7 2 1 2 l 1 6 1 1 1 4 1 9 2 1 2 2 2 0 6 0 5 6 2 6 3 4 b 9 1 0 2 0 1 11 1 9 1 0 2 0 1 3 1 7 d 1 t " +
  "22 5 9 4 3 u 1x 1 0 8 9 4m 1h 2 8 n 5 y 1s 3 0 b 9 12 1k 7 9 6 j s q 2 e 4 9 6 6 55 1m 2t 21 l 7 2 0 " +
  "2 7 1 1 1 t 1 1 2 8 c 9 1y 7 2 19 2 7 1 1 r 1q 8 0 8 21 3 0 i 20 5j w f 9 6 8 1 18 1 8 f 9 o t 2 l 1 " +
  "d 21 6 1 1 1 17 3 0 1 1 1 8 8 9 6 5 1 1 1 10 1 1 1 5 7 9 8m m 9 g 1 14 3 4 d a 2d 0 27 pl 2u 32 h 5f " +
  "218 2o f tr g l a 32y 5 g6 5a1 1l 1c6 fs 7 u 1 9 6 26 1 9 6 t 2 4 b 1i 9 3 c 9 9 k 5 i c0 18 3 9 5i " +
  "1r 3k 22 4 1k 7 g 1s 1 1 1 b 1 e 4qf 8 yd 15 9 6w7 3 1 6 1 1 1 82 f 0 t 2 2 0 e 3 8 az 1s4 2y 5 c 3 " +
  "8 7 9 3 1 381 9 ee 19 2 m f2 4 3 5 8 7 2 6 u 3 44 2 cb 2c 1 1y 1 1 2 0 2 1 2 3 1 b 1 0 1 6 1 1s 1 3 " +
  "2 7 1 6 1 r 1 3 1 4 1 0 3 6 1 9f 2 o 1 o 1 u 1 o 1 u 1 o 1 u 1 o 1 u 1 o 1 7 2 1d e8 1i 4 1d 8 0 e 0 " +
  "m 4 1 e uo u 6 5 5x 6 1 g 2 6 1 1 1 4 5 1p x 0 34 18 3 d 2 9 4 0 8x u h 1l d2 15 5y 16 dh 6 1 3 1 1 " +
  "1 e 1 5g b 6 15 23 4 9 x2 3 1 q 1 1 1 0 2 0 1 9 1 3 1 0 1 0 6 0 4 0 1 0 1 0 1 2 1 1 1 0 2 0 1 0 1 0 " +
  "1 0 1 0 1 1 1 0 2 3 1 6 1 3 1 3 1 0 1 9 1 g 5 2 1 4 1 g hg p 6 p 6 p 21y 9 sm wyn w 37d 6 65 2 4g1 e " +
  "5rk f h9 1wi f1 15u 3t6 5 38f f9e8 6n";

/** Changed by NFD. */
export const CANONICAL =
  "5c 5 1 8 1 5 2 4 2 5 1 8 1 5 2 4 1 g 2 j 2 8 3 3 1 5 4 5 3 5 2 h 2 m x 1 d 1 s f 1 5 2 a 3 1 2 z 2 1 " +
  "6 d 7g 1 1 1 1b 0 9 0 6 5 1 0 1 2 p 6 p 4 4 1 17 1 1 0 3 0 4 2 a 0 v 0 m 1 1 0 3 0 4 2 n 1 21 1 d 3 " +
  "2 1 2 5 2 5 2 b 2 1 88 4 49 0 1 0 g 0 gl 0 7 0 2 0 z 7 2z 1 f 1 1 0 2b 0 2 0 y 2 2 0 6h 0 2 1 f 1 1i " +
  "0 1h 2 3f 0 3b 0 6 1 1 1 3i 2 3x 0 1 2 9w 0 9 0 4 0 4 0 4 0 c 0 9 0 1 1 1 0 8 0 h 0 9 0 4 0 4 0 4 0 " +
  "c 0 30 0 25b 0 1 0 1 0 1 0 1 0 3 0 14 0 1 0 2 1 1 0 jg 49 1 0 4 2h 6 l 2 5 2 11 2 5 2 7 1 0 1 0 1 0 " +
  "1 u 2 1g 1 6 1 0 2 3 1 d 2 5 1 i 2 2 1 7 2 1 84 0 3 1 32 1 i 0 u 2 1g 0 4 0 2 0 n 0 1 0 q 0 2 0 2 0 " +
  "1 0 m 0 1 0 a 4 2 1 2 1 6 1 2 1 2 1 y 3 1c 3 6 3 1n 1 1ip 0 12n 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 " +
  "0 1 0 1 0 2 0 1 0 1 0 6 1 1 1 1 1 1 1 1 1 m 0 9 0 d 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 2 " +
  "0 1 0 1 0 6 1 1 1 1 1 1 1 1 1 m 0 2 3 3 0 oap 8mb 6l8 7h 2 0 1 0 2 9 1 0 1 0 2 1 3 1v 2 2x 1v 0 1 0 " +
  "a c 1 4 1 0 1 1 1 1 1 8 47f 0 1 0 e 0 3m 1 ez 1 a6 1 1 0 6z 1 112a 6 2e 5 1m4f f1";

/** Changed by NFKD and not by NFD. */
export const COMPATIBILITY =
  "4g 0 7 0 1 0 4 0 2 3 2 2 1 2 37 1 b 1 8 0 1h 0 1w 8 10 2 58 8 v 5 2 4 45 0 9 0 23 2 2 1 p 2 1 1 3 0 " +
  "b1 0 6l 3 1iy 0 3j 0 14 1 1a 0 2y 0 1 0 aq 0 2en 2 1 a 1 h 1 r d 0 y 10 62 0 82 0 1 1 1p 0 3 8 6 0 5 " +
  "0 c 2 8 0 3 1 1 1 4 0 1 0 8 2 d 0 7 0 g 1 2 q 1 c b 0 2f 3 1 2 1 a 1 1 2 4 2 2 1 0 3 0 3 1 1 2 1 6 1 " +
  "5 4 4 6 1b 9 0 4i 1 1 1 fj 3u 10h 0 2v 2 ed 1 6p 0 8f 0 2b 0 c 5x 16 0 1h 0 1 2 2o 1 2 0 2n 0 1d 2l " +
  "3 d 2o u 1 13 8 1a 1 3i 1 73 mn0 1 5u 0 3r 1 o2 3 fq8 6 c 4 8 9 11 2q x a2 i 1r 2 1h 14 c j 9 m k 2 " +
  "b 1 i 1 3 4 2 1 0 1 3q 4 59 3 5 2 5 2 5 2 2 3 6 1 6 15w1 2c 1 1y 1 1 2 0 2 1 2 3 1 b 1 0 1 6 1 1s 1 " +
  "3 2 7 1 6 1 r 1 3 1 4 1 0 3 6 1 9f 2 83 2 1d 4cg 3 1 q 1 1 1 0 2 0 1 9 1 3 1 0 1 0 6 0 4 0 1 0 1 0 1 " +
  "2 1 1 1 0 2 0 1 0 1 0 1 0 1 0 1 1 1 0 2 3 1 6 1 3 1 3 1 0 1 9 1 g 5 2 1 4 1 g g4 a 5 u 1 v q 1 10 0 " +
  "33 2 d 17 4 8 7 1";

/** Canonical combining class is not zero, and not changed by NFD. */
export const REORDERED =
  "lc 1r 2 0 2 9 1 v 7n 4 7d 18 1 0 1 1 1 1 1 0 20 a 1c k g 0 2t 6 2 5 2 1 1 3 z 0 u q 4g 8 y 3 1 8 1 2 " +
  "1 4 17 2 3c d 1 s 1o 0 g 0 3 3 2v 0 g 0 32 0 g 0 32 0 g 0 32 0 g 0 3j 0 3j 0 7 1 2t 0 g 0 3j 0 3g 0 " +
  "31 2 d 3 30 1 e 3 24 1 r 0 1 0 1 0 1j 1 1 0 5 3 2 0 1 2 1 1 1q 0 34 0 1 1 2a 0 jz 2 qc 0 v 0 4d 0 a " +
  "0 5n 0 3z 2 63 1 1z 0 k 7 2 0 1c d 3a 0 f 0 12 8 1i 1 1m 0 b 1 1v 0 48 2 1 c 1 6 4 0 6 0 3 1 5i 1h 5 " +
  "4 k0 c 4 0 3 b 2da 2 3x 0 2o v fe 5 2x 1 n9w 0 4 9 w 1 28 1 7o 0 59 0 r h 1l 2 11 0 2n 0 c 0 6n 0 1 " +
  "2 2 1 5 1 1 0 1g 0 6u 0 fn4 0 ld f r1 0 6a 0 45 4 1aq 0 1 0 14 2 4 0 4l 1 127 0 1k 0 1l 1 1x 2 1c 1 " +
  "1q 0 24 0 9 0 2y 1 4y 1 29 0 g 0 o 6 3 4 5p 0 3 0 3f 1 6z 1 3i 0 3a 1 37 0 103 0 fjk 4 1n 6 g2v 0 " +
  "43q 4 3 5 8 7 2 6 u 3 44 2 2pn 6 1 g 2 6 1 1 1 4 1ph 6 31 6";

/** Lower case, besides U+0130: lists of (code points skipped, count - 1, step, difference) in base 36. */
export const LOWER_CASE =
  "1t p 1 w 2u m 1 w 2 6 1 w y n 2 1 4 2 2 1 3 7 2 1 3 m 2 1 2 0 1 -3d 1 2 2 1 4 0 1 5u 1 1 2 1 2 0 1 " +
  "5q 1 0 1 1 2 1 1 5p 1 0 1 1 3 0 1 27 1 0 1 5m 1 0 1 5n 1 0 1 1 2 0 1 5p 1 0 1 5r 2 0 1 5v 1 0 1 5t 1 " +
  "0 1 1 4 0 1 5v 1 0 1 5x 2 0 1 5y 1 2 2 1 2 0 1 62 1 0 1 1 2 0 1 62 3 0 1 1 2 0 1 62 1 0 1 1 2 1 1 61 " +
  "1 1 2 1 2 0 1 63 1 0 1 1 4 0 1 1 8 0 1 2 1 0 1 1 2 0 1 2 1 0 1 1 2 0 1 2 1 8 2 1 3 8 2 1 3 0 1 2 1 1 " +
  "2 1 2 0 1 -2p 1 0 1 -1k 1 j 2 1 2 0 1 -3m 2 8 2 1 8 0 1 8bv 1 0 1 1 2 0 1 -4j 1 0 1 8bs 3 0 1 1 2 0 " +
  "1 -5f 1 0 1 1x 1 0 1 1z 1 4 2 1 82 1 2 1 4 0 1 1 9 0 1 38 7 0 1 12 2 2 1 11 2 0 1 1s 2 1 1 1r 2 g 1 " +
  "w 2 8 1 w 10 0 1 8 9 b 2 1 6 0 1 -1o 3 0 1 1 2 0 1 -7 1 0 1 1 3 2 1 -3m 1 f 1 28 1 v 1 w 1d g 2 1 a " +
  "q 2 1 2 0 1 f 1 6 2 1 3 1b 2 1 3 11 1 1c 28a 11 1 5ls 2 0 1 5ls 6 0 1 5ls k3 27 1 tzk 1 5 1 8 1p0 0 " +
  "1 1 7 16 1 -2bk 3 2 1 -2bk 8x 22 2 1 a 0 1 -5vj 2 1b 2 1 a 7 1 -8 9 5 1 -8 b 7 1 -8 9 7 1 -8 9 5 1 " +
  "-8 c 3 2 -8 9 7 1 -8 p 7 1 -8 9 7 1 -8 9 7 1 -8 9 1 1 -8 1 1 1 -22 1 0 1 -9 c 3 1 -2e 1 0 1 -9 c 1 1 " +
  "-8 1 1 1 -2s d 1 1 -8 1 1 1 -34 1 0 1 -7 c 1 1 -3k 1 1 1 -3i 1 0 1 -9 8a 0 1 -5st 4 0 1 -6gv 1 0 1 " +
  "-6di 7 0 1 s 1a f 1 g k 0 1 1 mr p 1 q 1f5 1b 1 1c 1d 0 1 1 2 0 1 -8af 1 0 1 -2xy 1 0 1 -89z 3 2 2 1 " +
  "2 0 1 -8bg 1 0 1 -8al 1 0 1 -8bj 1 0 1 -8bi 2 0 1 1 3 0 1 1 9 1 1 -8cf 1 1d 2 1 9 1 2 1 5 0 1 1 nym " +
  "m 2 1 k d 2 1 3s 6 2 1 4 u 2 1 b 1 2 1 2 0 1 -r9g 1 4 2 1 5 0 1 1 2 0 1 -wmg 3 1 2 1 4 9 2 1 2 0 1 " +
  "-wn8 1 0 1 -wnj 1 0 1 -wnf 1 0 1 -wn5 1 0 1 -wn8 2 0 1 -wlu 1 0 1 -wmi 1 0 1 -wlx 1 0 1 ps 1 7 2 1 2 " +
  "0 1 -1c 1 0 1 -wn7 1 0 1 -raw 1 1 2 1 2 0 1 -wo7 1 7 2 1 2 0 1 -wu9 p 0 1 1 h7w p 1 w xy 13 1 14 3t " +
  "z 1 14 4d a 1 13 2 e 1 13 2 6 1 13 2 1 1 13 1d7 1e 1 1s 4e l 1 w 27v v 1 w gw1 v 1 w 1t o 1 r o5k x " +
  "1 y";
