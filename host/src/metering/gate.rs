//! When the sum of a group tells too much of the households in it. Pure.

use std::fmt;
use std::str::FromStr;

/// How sums of groups are guarded. Each is a rule that is in use for energy data; its name says where, and
/// the number of households. There is none that guards nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// At least 15 households, none with more than 15 % of the sum: the "15/15 rule" of several states
    /// of the US.
    #[default]
    Us1515,
    /// At least 10 households: what French grid operators publish sums of.
    Fr10,
    /// At least 100 households: what California asks of sums of households that are given away.
    Ca100,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Us1515, Self::Fr10, Self::Ca100];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Us1515 => "us-15-15",
            Self::Fr10 => "fr-10",
            Self::Ca100 => "ca-100",
        }
    }

    /// Fewest households of a group.
    #[must_use]
    pub const fn households_min(self) -> u64 {
        match self {
            Self::Us1515 => 15,
            Self::Fr10 => 10,
            Self::Ca100 => 100,
        }
    }

    /// Most that one household may have of the sum, per cent.
    const fn share_max_percent(self) -> u128 {
        match self {
            Self::Us1515 => 15,
            Self::Fr10 | Self::Ca100 => 100,
        }
    }

    /// Judges a group whose sum would be told.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn judge(self, group: &Group) -> Result<(), Rule> {
        let rule = |what: String| Err(Rule(format!("{self}: {what}")));
        let (least, share) = (self.households_min(), self.share_max_percent());
        if group.households < least {
            return rule(format!("a value needs at least {least} households"));
        }
        if u128::from(group.max_mw) * 100 > group.sum_mw * share {
            return rule(format!(
                "no household may have more than {share} % of a value"
            ));
        }
        if group.sum_mw == 0 {
            return rule("a value of zero would tell what each household drew".to_owned());
        }
        Ok(())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("must be one of {names}")
        })
    }
}

/// Why a value is left out, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(pub String);

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group of households: what its sum is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Group {
    /// Households in it.
    pub households: u64,
    /// What they draw together, mW.
    pub sum_mw: u128,
    /// What the one that draws most draws, mW.
    pub max_mw: u64,
}

impl Group {
    /// Adds a household that draws this, mW.
    pub fn add(&mut self, power_mw: u64) {
        self.households += 1;
        self.sum_mw += u128::from(power_mw);
        self.max_mw = self.max_mw.max(power_mw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(powers_mw: impl IntoIterator<Item = u64>) -> Group {
        let mut group = Group::default();
        powers_mw.into_iter().for_each(|power| group.add(power));
        group
    }

    fn alike(households: usize) -> Group {
        group(std::iter::repeat_n(500_000, households))
    }

    #[test]
    fn a_group_has_its_profiles_fewest_households() {
        for (profile, least) in [
            (Profile::Us1515, 15),
            (Profile::Fr10, 10),
            (Profile::Ca100, 100),
        ] {
            assert!(profile.judge(&alike(least - 1)).is_err(), "{profile}");
            assert_eq!(profile.judge(&alike(least)), Ok(()), "{profile}");
            assert!(profile.judge(&alike(0)).is_err(), "{profile}");
        }
    }

    #[test]
    fn nobody_has_more_than_fifteen_per_cent_under_the_rule_of_that_name() {
        // 17 others draw 85 together: 15 of 100 is the most.
        let with = |most| group(std::iter::repeat_n(5, 17).chain([most]));
        assert_eq!(Profile::Us1515.judge(&with(15)), Ok(()));
        let refused = Profile::Us1515.judge(&with(16)).expect_err("a refusal");
        assert!(refused.0.contains("15 %"), "{refused}");
        assert_eq!(Profile::Fr10.judge(&with(1_000)), Ok(()));
    }

    #[test]
    fn a_sum_of_zero_would_tell_every_value() {
        for profile in Profile::ALL {
            let refused = profile.judge(&group(std::iter::repeat_n(0, 200)));
            assert!(refused.is_err(), "{profile}");
        }
    }

    #[test]
    fn profiles_have_names_and_the_default_is_the_strict_one() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert_eq!(Profile::default(), Profile::Us1515);
        let refused = "none".parse::<Profile>().expect_err("a refusal");
        assert!(refused.contains("us-15-15, fr-10, ca-100"), "{refused}");
    }
}
