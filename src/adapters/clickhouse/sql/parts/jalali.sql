-- The Jalali calendar of `date`. Years of 365 days with 8 leap days in each 33 years, which is exact from 1178 to 1633;
-- day_number counts from the first day of year 0.
    toInt32(date) + 492633 AS day_number,
    toUInt16(intDiv(33 * day_number + 11, 12053)) AS year_jalali,
    day_number - intDiv(12053 * year_jalali + 21, 33) AS day_of_year,
    if(day_of_year < 186, intDiv(day_of_year, 31) + 1, intDiv(day_of_year - 186, 30) + 7) AS month_number,
    if(day_of_year < 186, day_of_year % 31, (day_of_year - 186) % 30) + 1 AS day_of_month,
    concat(toString(year_jalali), '-', leftPad(toString(month_number), 2, '0')) AS month_jalali,
    concat(month_jalali, '-', leftPad(toString(day_of_month), 2, '0')) AS date_jalali,
    toUInt8((toDayOfWeek(date) + 1) % 7 + 1) AS weekday
