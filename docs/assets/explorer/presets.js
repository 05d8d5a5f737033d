// Views worth starting from, each a link.

export const PRESETS = [
  { title: "A rare class: focal and GPPE", link: "losses=cross_entropy,focal,gppe" },
  { title: "GPPE, 50 against 1000", link: "losses=cross_entropy,focal,asl,gppe&counts=50,1000" },
  {
    title: "SGPL, step by step",
    link: "losses=cross_entropy,gppe,sgpl&counts=5000,5000,3000,3000,1000,1000,100,100&sample=medium&sgpl.label_smoothing=0",
  },
  {
    title: "Corrections for 100 classes",
    link: "losses=cross_entropy,balanced_softmax,vs,seesaw,equalization&classes=100&most=500&factor=100",
  },
  {
    title: "Margins on cosines",
    link:
      "losses=cross_entropy,ldam,cri&classes=100&most=500&factor=100&axis=margin" +
      "&ldam.max_margin=0.2&ldam.scale=10&cri.max_margin=0.2&cri.scale=10&cri.gamma=1.5",
  },
  { title: "Easy and hard samples", link: "losses=cross_entropy,focal,asl,cyclical_focal,poly&dashed=no" },
  { title: "Overlap", link: "losses=cross_entropy,dice,focal_tversky,combo,hybrid_focal&dashed=no" },
];
