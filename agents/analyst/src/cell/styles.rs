//! The ways in which numbers are written, and sets of them.

/// How a column writes its numbers: its decimal sign and what stands between its groups of digits. In the order in
/// which they win where several read a column equally well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberStyle {
    /// 1234.56, -1e3
    #[default]
    Plain,
    /// 1234,56
    DecimalComma,
    /// 1,234.56
    Grouped,
    /// 1.234,56
    DotGrouped,
    /// 1 234.56
    SpacedPoint,
    /// 1 234,56
    SpacedComma,
    /// 1'234.56
    TickPoint,
    /// 1'234,56
    TickComma,
    /// 12,34,567.89
    Lakh,
}

impl NumberStyle {
    /// Every style, in their order.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::DecimalComma,
        Self::Grouped,
        Self::DotGrouped,
        Self::SpacedPoint,
        Self::SpacedComma,
        Self::TickPoint,
        Self::TickComma,
        Self::Lakh,
    ];

    /// The style as a report names it.
    pub fn name(self) -> &'static str {
        [
            "1234.56",
            "1234,56",
            "1,234.56",
            "1.234,56",
            "1 234.56",
            "1 234,56",
            "1'234.56",
            "1'234,56",
            "12,34,567.89",
        ][self as usize]
    }

    /// Whether the decimal sign is a comma.
    pub fn comma(self) -> bool {
        matches!(
            self,
            Self::DecimalComma | Self::DotGrouped | Self::SpacedComma | Self::TickComma
        )
    }

    /// Whether the style is one of groups set apart by the other decimal sign.
    pub fn grouping(self) -> bool {
        matches!(self, Self::Grouped | Self::DotGrouped | Self::Lakh)
    }
}

/// A set of styles; `.0` is its bits, style by style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Styles(pub u16);

impl Styles {
    /// No style: what was read is no number.
    pub const NONE: Self = Self(0);
    /// How many sets there are.
    pub const SETS: usize = 1 << NumberStyle::ALL.len();

    pub(super) const POINTS: Self = Self(
        1 << NumberStyle::Plain as u16
            | 1 << NumberStyle::Grouped as u16
            | 1 << NumberStyle::SpacedPoint as u16
            | 1 << NumberStyle::TickPoint as u16
            | 1 << NumberStyle::Lakh as u16,
    );
    pub(super) const COMMAS: Self = Self(
        1 << NumberStyle::DecimalComma as u16
            | 1 << NumberStyle::DotGrouped as u16
            | 1 << NumberStyle::SpacedComma as u16
            | 1 << NumberStyle::TickComma as u16,
    );
    pub(super) const BOTH: Self = Self(Self::POINTS.0 | Self::COMMAS.0);
    pub(super) const SPACED: Self =
        Self(1 << NumberStyle::SpacedPoint as u16 | 1 << NumberStyle::SpacedComma as u16);
    pub(super) const TICKED: Self =
        Self(1 << NumberStyle::TickPoint as u16 | 1 << NumberStyle::TickComma as u16);

    /// The set of one style.
    pub const fn of(style: NumberStyle) -> Self {
        Self(1 << style as u16)
    }

    /// Whether a style is in the set.
    #[inline]
    pub const fn has(self, style: NumberStyle) -> bool {
        self.0 & (1 << style as u16) != 0
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first style of the set.
    pub fn first(self) -> Option<NumberStyle> {
        NumberStyle::ALL.into_iter().find(|&style| self.has(style))
    }

    /// The set's bits as an index into what has a place for each set.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
