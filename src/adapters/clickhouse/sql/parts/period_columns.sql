{price_columns}
    hours UInt16 COMMENT 'How many of hours_expected are stored',
    hours_expected UInt16 COMMENT 'Hours of the period that are over, from the symbol\'s first stored one on: the rows of {table}_hours'
