#version 300 es
// A valley in the evening, drawn by arithmetic alone. It comes back to its first picture when `phase` goes from 0 to 1.
precision highp float;
uniform float phase;
uniform vec2 size;
out vec4 colour;

const float TURN = 6.2831853;

float hash(vec2 p) {
  uvec2 q = uvec2(ivec2(floor(p)) + 40000) * uvec2(1597334673u, 3812015801u);
  uint n = (q.x ^ q.y) * 1597334673u;
  n ^= n >> 15;
  n *= 2246822519u;
  return float(n >> 8) / 16777216.0;
}

float noise(vec2 p) {
  vec2 i = floor(p), f = fract(p);
  f = f * f * (3.0 - 2.0 * f);
  return mix(mix(hash(i), hash(i + vec2(1, 0)), f.x), mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), f.x), f.y);
}

float fbm(vec2 p) {
  float sum = 0.0, weight = 0.5;
  for (int i = 0; i < 5; i++) {
    sum += weight * noise(p);
    p = mat2(1.6, 1.2, -1.2, 1.6) * p + 7.3;
    weight *= 0.5;
  }
  return sum;
}

/** Noise that drifts, and at the end of the loop is where it began: two drifts, one fading into the other. */
float drifting(vec2 p, vec2 way) {
  return mix(fbm(p + way * phase), fbm(p + way * (phase - 1.0)), phase);
}

float swing(float times, float offset) { return sin(TURN * (times * phase + offset)); }

vec3 sky(vec2 p) {
  vec3 c = mix(vec3(1.0, 0.80, 0.55), vec3(0.95, 0.62, 0.55), smoothstep(0.4, 0.58, p.y));
  c = mix(c, vec3(0.36, 0.52, 0.80), smoothstep(0.5, 0.85, p.y));
  c = mix(c, vec3(0.16, 0.33, 0.66), smoothstep(0.75, 1.05, p.y));
  float sun = distance(p, vec2(0.93, 0.56));
  c += vec3(1.0, 0.7, 0.35) * (0.5 * exp(-9.0 * sun) + 0.9 * smoothstep(0.062, 0.05, sun));
  float cloud = drifting(vec2(p.x * 2.2, p.y * 5.0), vec2(0.35, 0.05));
  if (cloud < 0.47) return c;
  float lit = drifting(vec2(p.x * 2.2 + 0.12, p.y * 5.0 + 0.25), vec2(0.35, 0.05));
  vec3 puff = mix(vec3(0.62, 0.52, 0.66), vec3(1.0, 0.93, 0.85), smoothstep(-0.08, 0.12, cloud - lit + 0.02));
  return mix(c, puff, 0.9 * smoothstep(0.47, 0.66, cloud) * smoothstep(0.42, 0.62, p.y));
}

vec3 far(vec2 p) {
  float x = p.x + 0.008 * swing(1.0, 0.0);
  float ridge = 0.43 + 0.17 * (1.0 - abs(2.0 * fbm(vec2(x * 1.7 + 3.0, 2.0)) - 1.0)) * (0.55 + 0.45 * sin(x * 3.1 + 0.6));
  if (p.y > ridge) return sky(p);
  float face = fbm(vec2(x * 9.0 + p.y * 7.0, p.y * 12.0 - x * 3.0));
  vec3 rock = mix(vec3(0.30, 0.33, 0.52), vec3(0.72, 0.56, 0.58), smoothstep(0.35, 0.65, face));
  float snow = smoothstep(0.50, 0.56, p.y + 0.13 * (face - 0.5));
  rock = mix(rock, mix(vec3(0.66, 0.70, 0.88), vec3(1.0, 0.90, 0.84), smoothstep(0.4, 0.6, face)), snow);
  return mix(rock, vec3(0.92, 0.72, 0.62), 0.35 * smoothstep(0.5, 0.36, p.y));
}

vec3 hills(vec2 p) {
  float x = p.x + 0.016 * swing(1.0, 0.0);
  float top = 0.385 + 0.075 * sin(x * 4.2 + 1.0) * fbm(vec2(x * 2.0, 9.0)) + 0.012 * noise(vec2(x * 90.0, 4.0));
  if (p.y > top) return far(p);
  float trees = fbm(vec2(x * 26.0, p.y * 34.0));
  vec3 c = mix(vec3(0.10, 0.20, 0.20), vec3(0.46, 0.47, 0.22), smoothstep(0.3, 0.7, trees));
  c = mix(c, vec3(0.82, 0.46, 0.20), 0.8 * smoothstep(0.56, 0.66, fbm(vec2(x * 9.0 + 4.0, p.y * 16.0))));
  return mix(c, vec3(0.85, 0.66, 0.52), 0.25 * smoothstep(0.38, 0.46, top));
}

void balloon(inout vec3 c, vec2 p, vec2 at, float r, vec3 first, vec3 second) {
  vec2 d = (p - at) / r;
  float basket = max(abs(d.x) - 0.16, abs(d.y + 1.72) - 0.14);
  if (basket < 0.0) c = mix(vec3(0.32, 0.18, 0.09), vec3(0.62, 0.40, 0.20), step(0.0, d.x));
  float rope = min(abs(d.x - 0.14 + 0.22 * (d.y + 1.6)), abs(d.x + 0.14 - 0.22 * (d.y + 1.6)));
  if (d.y > -1.6 && d.y < -0.9 && rope < 0.035) c = vec3(0.25, 0.16, 0.12);
  float narrow = d.y < 0.0 ? mix(1.0, 0.42, smoothstep(0.0, -1.25, d.y)) : 1.0;
  vec2 e = vec2(d.x / narrow, d.y < 0.0 ? d.y / 1.25 : d.y);
  float rr = dot(e, e);
  if (rr > 1.0) return;
  float turn = asin(clamp(e.x / sqrt(max(1.0 - e.y * e.y, 1e-3)), -1.0, 1.0));
  vec3 cloth = mix(first, second, step(0.0, sin(turn * 5.0 + 0.8)));
  if (abs(e.y + 0.12) < 0.13) cloth = mix(second, vec3(1.0, 0.95, 0.82), 0.75);
  float light = clamp(dot(vec3(e, sqrt(1.0 - rr)), normalize(vec3(0.6, 0.25, 0.6))), 0.0, 1.0);
  c = cloth * (0.36 + 0.82 * light);
}

vec3 air(vec2 p) {
  vec3 c = hills(p);
  balloon(c, p, vec2(0.60 + 0.012 * swing(1.0, 0.5), 0.60 + 0.016 * swing(1.0, 0.2)), 0.040, vec3(0.16, 0.42, 0.62), vec3(0.95, 0.75, 0.25));
  balloon(c, p, vec2(0.72 + 0.030 * swing(1.0, 0.1), 0.76 + 0.028 * swing(1.0, 0.6)), 0.105, vec3(0.86, 0.20, 0.18), vec3(0.98, 0.72, 0.22));
  balloon(c, p, vec2(1.16 + 0.020 * swing(1.0, 0.8), 0.80 + 0.020 * swing(1.0, 0.0)), 0.062, vec3(0.42, 0.22, 0.58), vec3(0.92, 0.42, 0.56));
  return c;
}

vec3 water(vec2 p) {
  const float shore = 0.31;
  if (p.y > shore) return air(p);
  float depth = shore - p.y;
  float wave = sin(TURN * (p.y * 90.0 / (1.0 + 6.0 * depth) + 2.0 * phase) + 5.0 * noise(vec2(p.x * 7.0, p.y * 50.0)));
  wave += 0.6 * sin(TURN * (p.x * 5.0 + p.y * 60.0 - phase));
  vec3 c = air(vec2(p.x + 0.004 * wave, shore + depth * 1.15 + 0.010 * wave * (0.3 + depth * 5.0)));
  c = mix(c * vec3(0.78, 0.84, 0.92), vec3(0.20, 0.36, 0.50), 0.28);
  float glitter = smoothstep(0.72, 0.9, noise(vec2(p.x * 40.0, p.y * 150.0)) + 0.14 * wave) * smoothstep(0.28, 0.0, abs(p.x - 0.93));
  return c + glitter * vec3(0.9, 0.65, 0.4);
}

vec3 meadow(vec2 p) {
  float x = p.x + 0.034 * swing(1.0, 0.0);
  float top = 0.13 + 0.06 * fbm(vec2(x * 2.3, 1.0)) + 0.035 * cos(x * 2.6) + 0.008 * noise(vec2(x * 130.0 + 3.0 * swing(2.0, x), 2.0));
  if (p.y > top) return water(p);
  float lean = 0.010 * swing(2.0, x * 0.7) * smoothstep(0.0, 0.15, top - p.y + 0.05);
  float blades = fbm(vec2((x + lean) * 55.0, p.y * 13.0));
  vec3 c = mix(vec3(0.09, 0.20, 0.08), vec3(0.55, 0.60, 0.18), smoothstep(0.25, 0.75, blades));
  c = mix(c, vec3(0.86, 0.76, 0.34), 0.45 * smoothstep(0.05, 0.0, top - p.y));
  for (int layer = 0; layer < 2; layer++) {
    float scale = layer == 0 ? 30.0 : 17.0;
    vec2 q = vec2(x + lean * 1.3, p.y) * scale + float(layer) * 11.0;
    vec2 cell = floor(q);
    if (hash(cell + 3.0) > 0.62) continue;
    vec2 at = cell + 0.5 + 0.5 * (vec2(hash(cell), hash(cell + 9.0)) - 0.5);
    float r = 0.13 + 0.13 * hash(cell + 5.0);
    float d = distance(q, at);
    float kind = hash(cell + 21.0);
    vec3 petal = kind < 0.4 ? vec3(0.90, 0.16, 0.14) : kind < 0.7 ? vec3(0.97, 0.93, 0.88) : vec3(0.55, 0.34, 0.78);
    if (d < r) c = d < 0.35 * r ? vec3(0.98, 0.80, 0.25) : petal * (0.75 + 0.35 * (q.y - at.y) / r);
  }
  return c;
}

vec3 tree(vec2 p) {
  float sway = swing(1.0, 0.0);
  float x = p.x + 0.05 * sway;
  vec3 c = meadow(p);
  float bend = 0.02 * sin(p.y * 7.0);
  float trunk = abs(x - 0.19 - bend) - mix(0.034, 0.014, smoothstep(0.08, 0.55, p.y));
  if (trunk < 0.0 && p.y > 0.10 && p.y < 0.62)
    c = mix(vec3(0.14, 0.09, 0.08), vec3(0.50, 0.33, 0.22), smoothstep(-0.01, 0.03, x - 0.19 - bend + 0.02 * fbm(vec2(x * 40.0, p.y * 12.0))));
  vec2 q = vec2(x + 0.010 * swing(1.0, p.y), p.y);
  for (int i = 0; i < 9; i++) {
    float n = float(i);
    vec2 at = vec2(0.17, 0.66) + vec2(0.17 * sin(n * 2.4 + 0.5), 0.15 * cos(n * 1.7)) + 0.006 * vec2(swing(1.0, n * 0.13), swing(2.0, n * 0.21));
    float edge = distance(q, at) - (0.085 + 0.025 * sin(n * 3.0));
    if (edge > 0.035) continue;
    float leaves = fbm(q * 34.0 + n * 5.0);
    float d = edge - 0.07 * (leaves - 0.5);
    if (d < 0.0 && leaves > 0.26) {
      float light = clamp(0.55 + dot(q - at, vec2(3.2, 3.8)), 0.0, 1.0);
      vec3 dark = mix(vec3(0.34, 0.12, 0.08), vec3(0.20, 0.22, 0.08), hash(vec2(n, 1.0)));
      vec3 bright = mix(vec3(0.98, 0.52, 0.14), vec3(0.95, 0.76, 0.22), hash(vec2(n, 2.0)));
      c = mix(dark, bright, clamp(light * 0.75 + 1.6 * (leaves - 0.45), 0.0, 1.0));
    }
  }
  return c;
}

void main() {
  vec3 sum = vec3(0);
  for (int i = 0; i < 2; i++) {
    vec2 at = gl_FragCoord.xy + (i == 0 ? vec2(-0.2, -0.3) : vec2(0.2, 0.3));
    sum += clamp(tree(at / size.y), 0.0, 1.0);
  }
  colour = vec4(sum / 2.0, 1);
}
