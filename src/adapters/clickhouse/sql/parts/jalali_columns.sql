    date_jalali String COMMENT 'The day in the Jalali calendar, YYYY-MM-DD',
    month_jalali String COMMENT 'Its month in the Jalali calendar, YYYY-MM',
    year_jalali UInt16 COMMENT 'Its year in the Jalali calendar',
    weekday UInt8 COMMENT 'Day of the week: 1 is Saturday, 7 is Friday',
