/** What a picture may show: the only variants or colours of an option, variants it may not have, components left out. */
export interface Limits {
  only?: Readonly<Record<string, readonly string[]>>
  except?: Readonly<Record<string, readonly string[]>>
  absent?: readonly string[]
}

/** How a style draws one effect: input and target are the same person but for what is named here. */
export interface Recipe {
  /** What the input must have or lack so that the effect is visible and the only change. */
  input?: Limits
  /**
   * Components and colours that the target has. One fixed choice for all seeds: a student cannot learn a choice that
   * the input does not tell.
   */
  target?: Readonly<Record<string, string>>
  /** Colour options that move to the effect's colour by its strength. */
  colours?: readonly string[]
}

/** Effects whose strength moves a colour. */
export type ColourEffectId = 'hair-colour' | 'skin-colour' | 'background'
export type PortraitEffectId = ColourEffectId | 'glasses' | 'facial-hair' | 'smile'

export interface Style {
  /** Limits of every picture: what is not a person or hides the face. */
  always?: Limits
  effects: Readonly<Partial<Record<PortraitEffectId, Recipe>>>
}

const background: Recipe = { colours: ['backgroundColor'] }
const skin = (option: string): Recipe => ({ colours: [option] })

const micah: Style = {
  effects: {
    'hair-colour': {
      input: { except: { hair: ['mrClean', 'dougFunny', 'turban'] } },
      colours: ['hairColor', 'facialHairColor'],
    },
    'skin-colour': skin('baseColor'),
    background,
    glasses: { input: { absent: ['glasses'] }, target: { glasses: 'round', glassesColor: '1d1d26' } },
    'facial-hair': { input: { absent: ['facialHair'] }, target: { facialHair: 'beard' } },
    smile: {
      input: { only: { mouth: ['sad', 'frown', 'nervous', 'surprised', 'pucker'] }, absent: ['facialHair'] },
      target: { mouth: 'laughing' },
    },
  },
}

const toonHead: Style = {
  effects: {
    'hair-colour': { colours: ['hairColor'] },
    'skin-colour': skin('skinColor'),
    background,
    'facial-hair': { input: { absent: ['beard'] }, target: { beard: 'longBeard' } },
  },
}

const personas: Style = {
  always: { except: { mouth: ['pacifier'] } },
  effects: {
    'hair-colour': {
      input: { except: { hair: ['bald', 'balding', 'buzzcut', 'cap', 'beanie'] } },
      colours: ['hairColor'],
    },
    'skin-colour': skin('skinColor'),
    background,
    glasses: { input: { only: { eyes: ['open'] } }, target: { eyes: 'glasses' } },
    'facial-hair': { input: { absent: ['facialHair'] }, target: { facialHair: 'goatee' } },
    smile: {
      input: { only: { mouth: ['frown', 'surprise', 'lips'] }, absent: ['facialHair'] },
      target: { mouth: 'bigSmile' },
    },
  },
}

const adventurer: Style = {
  effects: {
    'hair-colour': { input: { except: { hair: ['short19'] } }, colours: ['hairColor'] },
    'skin-colour': skin('skinColor'),
    background,
    glasses: { input: { absent: ['glasses'] }, target: { glasses: 'variant04' } },
    smile: {
      input: {
        only: { mouth: ['variant02', 'variant03', 'variant04', 'variant08', 'variant09', 'variant10', 'variant18'] },
        absent: ['features'],
      },
      target: { mouth: 'variant26' },
    },
  },
}

const bigSmile: Style = {
  always: { except: { accessories: ['faceMask', 'sleepMask'] } },
  effects: {
    'hair-colour': { colours: ['hairColor'] },
    'skin-colour': skin('skinColor'),
    background,
    glasses: { input: { absent: ['accessories'] }, target: { accessories: 'glasses' } },
    smile: {
      input: {
        only: { mouth: ['unimpressed', 'openSad', 'kawaii'] },
        except: { accessories: ['mustache', 'clownNose'] },
      },
      target: { mouth: 'teethSmile' },
    },
  },
}

const miniavs: Style = {
  effects: {
    'hair-colour': { input: { except: { hair: ['balndess'] } }, colours: ['hairColor'] },
    'skin-colour': skin('skinColor'),
    background,
    glasses: { input: { absent: ['glasses'] }, target: { glasses: 'normal' } },
    'facial-hair': { input: { absent: ['mustache'] }, target: { mustache: 'horshoe' } },
  },
}

const openPeeps: Style = {
  always: { except: { head: ['bear'], face: ['cyclops', 'monster'] }, absent: ['mask'] },
  effects: {
    'hair-colour': {
      input: { only: { head: ['bangs', 'grayBun', 'grayMedium', 'grayShort', 'mediumBangs2', 'mohawk', 'short4'] } },
      colours: ['headContrastColor'],
    },
    'skin-colour': skin('skinColor'),
    background,
    glasses: { input: { absent: ['accessories'] }, target: { accessories: 'glasses3' } },
    'facial-hair': { input: { absent: ['facialHair'] }, target: { facialHair: 'full3' } },
  },
}

const pixelArt: Style = {
  // Its other lips are as pale as the skin.
  always: { only: { mouthColor: ['de0f0d', 'b8283a', '8f1f2b'] } },
  effects: {
    'hair-colour': { input: { absent: ['hat'] }, colours: ['hairColor'] },
    'skin-colour': skin('skinColor'),
    background,
    glasses: { input: { absent: ['glasses'] }, target: { glasses: 'dark07', glassesColor: '191919' } },
    smile: {
      input: { only: { mouth: ['sad01', 'sad02', 'sad03', 'sad04', 'sad05', 'sad06', 'sad09', 'sad10'] } },
      target: { mouth: 'happy06' },
    },
  },
}

const lorelei: Style = {
  effects: {
    'hair-colour': { colours: ['hairColor'] },
    'skin-colour': skin('skinColor'),
    background,
    glasses: { input: { absent: ['glasses'] }, target: { glasses: 'variant01', glassesColor: '000000' } },
    'facial-hair': { input: { absent: ['beard'] }, target: { beard: 'variant01' } },
    smile: {
      input: { only: { mouth: ['sad04', 'sad05', 'sad06', 'sad07', 'sad08', 'sad09'] }, absent: ['beard'] },
      target: { mouth: 'happy05' },
    },
  },
}

const notionists: Style = {
  effects: {
    background,
    glasses: { input: { absent: ['glasses'] }, target: { glasses: 'variant11' } },
    'facial-hair': { input: { absent: ['beard'] }, target: { beard: 'variant02' } },
  },
}

/** The DiceBear 9 styles whose licences allow remixing, with the effects that look right in each. */
export const STYLES = {
  micah,
  toonHead,
  personas,
  adventurer,
  bigSmile,
  miniavs,
  openPeeps,
  pixelArt,
  lorelei,
  notionists,
} satisfies Record<string, Style>

export type PortraitStyle = keyof typeof STYLES
