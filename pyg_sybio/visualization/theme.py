"""Colours and font sizes of all figures."""

# The palette of Okabe and Ito, whose colours people with any common colour vision can tell apart.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"
PALETTE = (ORANGE, BLUE, GREEN, VERMILLION, SKY, PURPLE, YELLOW)
# Further colours for plots of many classes.
WINE, OLIVE, INDIGO, BROWN, LIME = "#882255", "#999933", "#332288", "#7B3F00", "#7FC31C"
GREY, LIGHT_GREY, INK = "#8C8C8C", "#D9D9D9", "#222222"

TITLE, TEXT, SMALL = 11, 8.5, 7  # points
DPI = 150
